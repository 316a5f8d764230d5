"""What large language models take, by data sheets: memory, time, users, cost; and what is no model or no system."""

from __future__ import annotations

import math

import pytest

from labkit.predict import language_model as predicted
from labkit.predict.language_model import System
from labkit.specs.language_model import PUBLISHED, LanguageModel, own

H100 = System(989e12, 3.35e12, 80e9, 450e9)


def test_more_active_parameters_than_there_are_is_no_model():
    with pytest.raises(ValueError, match="a part of all"):
        LanguageModel(1e9, 2, 64, 64, 128, active=2e9, experts=8, chosen=2)
    with pytest.raises(ValueError, match="several experts"):
        LanguageModel(1e9, 2, 64, 64, 128, active=5e8)
    with pytest.raises(ValueError, match="multiple of that"):
        own(100)


def test_a_mixture_reads_what_a_token_uses_and_with_many_tokens_all():
    model = PUBLISHED["DeepSeek-V3"]
    assert model.read(1) == pytest.approx(model.active)
    assert model.read(1e6) == pytest.approx(model.parameters)
    reads = [model.read(count) for count in (1, 2, 8, 64, 512)]
    assert reads == sorted(reads)
    dense = PUBLISHED["Llama 8B"]
    assert dense.read(1) == dense.read(100) == dense.parameters


def test_one_user_gets_what_the_bandwidth_gives():
    model = PUBLISHED["Llama 8B"]
    seconds = sum(predicted.step(model, H100, "bf16", 1, 0).values())
    assert seconds == pytest.approx(2 * model.parameters / (predicted.BANDWIDTH * 3.35e12))


def test_a_long_prompt_takes_its_arithmetic_and_more_accelerators_share_it():
    model = PUBLISHED["Llama 8B"]
    one, two = (predicted.reading(model, System(989e12, 3.35e12, 80e9, 450e9, count), "bf16", 2048)
                for count in (1, 2))
    assert one["weights"] == 0 and one["exchange"] == 0
    assert one["arithmetic"] == pytest.approx(2048 * model.flop(1024) / (predicted.ARITHMETIC * 989e12))
    assert two["arithmetic"] == pytest.approx(one["arithmetic"] / 2) and two["exchange"] > 0


def test_what_finds_room_fits_and_one_more_does_not():
    model = PUBLISHED["Llama 8B"]
    users = predicted.room(model, H100, "bf16", 4096)
    taken, over = (sum(predicted.memory(model, H100, "bf16", 4096 * count).values()) for count in (users, users + 1))
    assert taken <= predicted.USED * 80e9 < over
    assert predicted.room(PUBLISHED["Llama 405B"], H100, "bf16", 1) == 0


@pytest.mark.parametrize("broken", [dict(prompt=0), dict(answer=0), dict(users=0), dict(users=math.nan)])
def test_a_rate_of_nothing_is_refused(broken):
    with pytest.raises(ValueError, match="above 0"):
        predicted.rate(PUBLISHED["Llama 8B"], H100, "bf16", **{"prompt": 100, "answer": 100, "users": 1, **broken})
    with pytest.raises(ValueError):
        System(989e12, 3.35e12, 80e9, 0, count=2)


def test_cost_and_energy_of_a_million_tokens():
    assert predicted.joules(700, 1000) == pytest.approx(0.7e6)
    assert predicted.price(2, 1000) == pytest.approx(1e9 / 3.6e6 / 1000 * 2)
