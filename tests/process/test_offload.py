"""Lab 4.4 for real: an edge device, an emulated link and a cloud that run."""

from __future__ import annotations

import fakes
import pytest
import torch
from quiet_machine import quiet_machine

from labkit.experiment import Unavailable
from labkit.labs.edge_cloud_or_both import experiments as offload
from labkit.labs.edge_cloud_or_both import testbed
from labkit.measure.probes import offload as probe
from labkit.offload.edge import FALLBACK
from labkit.offload.wire import NoAnswer
from labkit.predict import offload as predicted
from labkit.specs.link import LinkSpec


@pytest.fixture(scope="module")
def team():
    return offload.untrained(widths=(2, 4))


@quiet_machine
def test_an_outage_costs_no_answer_and_the_cloud_comes_back(team):
    over = testbed.EdgeTestbed(team)
    with over.open() as same, over.open():
        assert same is over
        answers = over.run(testbed.CASCADE, LinkSpec(0.005, 12.5e6), 20)
        assert [answer.choice for answer in answers] == team.choices[testbed.CASCADE][:20].tolist()
        watch = testbed.outage(over, LinkSpec(0.005, 12.5e6), deadline=0.25, count=120, every=0.03)
        with pytest.raises(NoAnswer, match="choose a later deadline"):
            testbed.outage(over, LinkSpec(0.2, 12.5e6), deadline=0.05, count=3)
        shares = [testbed.in_time(over, LinkSpec(trip, 12.5e6), 0.15, count=4) for trip in (0.01, 0.3)]
    with pytest.raises(RuntimeError, match="open the session first"):
        over.link.cut()
    assert shares == [100, 0]
    assert len(watch.answers) == sum(watch.counts().values()) == 120
    assert watch.counts()[FALLBACK] > 0 and watch.asked_cloud(0, watch.down[0]) > 0
    assert watch.asked_cloud(*watch.down) == 0
    assert watch.recovery is not None
    assert "cascade" in str(testbed.table(team, {testbed.CASCADE: answers, testbed.CLOUD: Unavailable("No.")}))


@quiet_machine
def test_what_the_lab_measures_is_near_what_it_predicts_of_the_link(team):
    """Only the link's part, which was asked for, holds on any machine: the costs here are made up."""
    made_up = fakes.machine(calibrations={"offload": fakes.offload()})
    over = testbed.EdgeTestbed(team, "relay")
    times, metres = (make(made_up, over, budget=0.2) for make in (offload.time, offload.distance))
    usual = dict(round_trip=0.1, rate=10, loss=0, slower=1)
    with times.session():
        for strategy in (testbed.CLOUD, "cut after 2"):
            found = times.measure(strategy=strategy, **usual)
            assert found.low <= found.value <= found.high and found.value > 0.1
    road = dict(rate=10, speed=130, round_trip=0.1, deadline=0.033)
    with metres.session():
        stops = {who: metres.measure(strategy=who, **road).value
                 for who in (testbed.EDGE, testbed.HYBRID, testbed.CLOUD)}
    assert predicted.braking(130) < stops[testbed.EDGE] < stops[testbed.HYBRID] < stops[testbed.CLOUD]
    assert not metres.measure(strategy=offload.DRIVER, **road)


@pytest.mark.slow
def test_the_instrument_finds_all_that_it_names(quiet):
    before = torch.get_num_threads()
    found = probe.calibrate(torch.device("cpu"))
    found.check(probe.KEYS)
    assert torch.get_num_threads() == before
    assert not found.reason("message", "relay") and not any(key[0] == "layer" for key in found.missing)
    for kind in probe.KINDS:
        assert len(found.curve("layer", kind)) == len(probe.WIDTHS)
