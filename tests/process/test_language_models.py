"""Lab 3.6 for real: the probe finds every cost, and steps, prompts, runs and a cache are measured as they are asked."""

from __future__ import annotations

import pytest

from labkit import device
from labkit.labs.language_models import experiments as lab
from labkit.machine import Machine
from labkit.measure.probes import generation as probe
from labkit.specs.batching import CONTINUOUS, STATIC
from labkit.specs.language_model import own_cache


@pytest.fixture(scope="module")
def machine():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "SECONDS", 600)  # nothing is left out where neighbours make it slow
        calibration = probe.calibrate(device.best())
    calibration.check(probe.KEYS)
    return Machine("here", device.best().type, 8 * 2**30, calibrations={"generation": calibration})


def test_a_token_is_measured_with_a_cache_and_without(machine):
    tokens = lab.each(machine)
    point = dict(width=128, users=2, context=256)
    kept, anew = (tokens.measure(**point, cache=cache) for cache in lab.CACHES)
    assert 0 < kept.value < anew.value and kept.speed > 0


def test_a_longer_prompt_takes_longer(machine):
    first = lab.first(machine)
    short, long = (first.measure(width=128, prompt=prompt).value for prompt in (32, 448))
    assert 0 < short < long


@pytest.mark.parametrize("way", [STATIC, CONTINUOUS])
def test_requests_are_served_in_both_ways(machine, way):
    served = lab.serving(machine).measure(width=128, places=4, way=way, answers=lab.SPREAD)
    assert served.unit == "tokens/s" and served.value > 0


def test_a_cache_takes_the_bytes_that_were_counted():
    measured = lab.cache_memory().measure(width=1024, users=16)
    assert measured.value == pytest.approx(own_cache(1024, 16 * 512), rel=0.1)
