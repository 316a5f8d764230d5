"""Lab 3.6: a cache that changes nothing, schedules that lose no token, and counts that hold; published rows test it."""

from __future__ import annotations

import math
from statistics import mean

import fakes
import hand_written
import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from labkit import catalogue
from labkit import device as devices
from labkit.experiment import Comparison, Outcome, Row
from labkit.labs.language_models import at_scale, checks, figures, tables
from labkit.labs.language_models import experiments as lab
from labkit.models import generation
from labkit.models.networks.transformer import Cache, Transformer
from labkit.predict import batching
from labkit.predict import language_model as predicted
from labkit.specs.batching import CONTINUOUS, STATIC, WAYS, Read, Request, Write, schedule
from labkit.specs.language_model import CONTEXT, own, own_cache

HERE = fakes.machine()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with devices.threads(1):  # for short operations; others may run tests beside
        yield


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return Transformer(64).eval()


def tokens(count, seed=0):
    return torch.randint(256, (count,), generator=torch.Generator().manual_seed(seed))


# The model


@pytest.mark.parametrize("width", [64, 128, 256])
def test_the_parameters_and_the_cache_are_those_of_the_network(width):
    network = Transformer(width)
    assert own(width).parameters == sum(p.numel() for p in network.parameters())
    cache = Cache(network, places=3)
    assert own_cache(width, 3 * CONTEXT) == cache.keys.nbytes + cache.values.nbytes


def test_the_operations_are_those_that_the_framework_counts():
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, torch.inference_mode():
        Transformer(64)(tokens(32)[None])  # this way of attention is made of products that are counted
    model = own(64)
    looked_up = 2 * (256 + CONTEXT) * 64  # embeddings are read, not multiplied
    ours = 32 * (model.flop(32) - looked_up)
    assert counter.get_total_flops() == pytest.approx(ours, rel=0.02)


def test_a_cache_changes_no_score(network):
    prompt = tokens(17)
    kept, scores = generation.with_cache(network, prompt, 40)
    anew, scores_anew = generation.without_cache(network, prompt, 40)
    assert kept == anew
    torch.testing.assert_close(scores, scores_anew, rtol=0, atol=1e-4)


def test_the_same_by_hand_writes_the_same(network):
    prompt = tokens(33)
    assert hand_written.write(network, prompt, 50) == generation.with_cache(network, prompt, 50)[0]


def test_a_token_sees_nothing_that_comes_after_it(network):
    some = tokens(20)
    other = some.clone()
    other[10:] = (other[10:] + 1) % 256
    with torch.inference_mode():
        torch.testing.assert_close(network(some[None])[0, :10], network(other[None])[0, :10])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("places", [1, 2, 3, 8])
def test_whoever_writes_beside_an_answer_changes_nothing_of_it(network, way, places):
    asked = [(tokens(5 + 7 * k, seed=k), answer) for k, answer in enumerate((9, 1, 14, 3, 6))]
    served = generation.serve(network, asked, places, way)
    assert served.answers == [generation.with_cache(network, prompt, answer)[0] for prompt, answer in asked]
    assert all(0 < first <= served.seconds for first in served.first) and min(served.each) > 0


@pytest.mark.parametrize("prompt", [b"", b"x" * CONTEXT, "ü" * CONTEXT])
def test_a_prompt_of_no_token_or_too_many_is_refused_with_the_limit(network, prompt):
    with pytest.raises(ValueError, match=f"1 to {CONTEXT - 1}"):
        generation.with_cache(network, generation.encode(prompt), 3)


def test_bytes_that_are_no_text_are_a_prompt_and_come_out_readable(network):
    written, _ = generation.with_cache(network, generation.encode(b"\xff\xfe\x00"), 5)
    assert len(written) == 5 and isinstance(generation.decode([0xff, 65]), str)


def test_a_conversation_ends_where_the_positions_do(network):
    prompt = tokens(CONTEXT - 2)
    assert len(generation.with_cache(network, prompt, 3)[0]) == 3
    with pytest.raises(ValueError, match=str(CONTEXT)):
        generation.with_cache(network, prompt, 4)


def test_a_training_learns_what_follows_what():
    torch.manual_seed(0)
    network, text = Transformer(64), b"abcdefgh" * 200
    before = generation.loss(network, text)
    generation.train(network, text, seconds=1)
    assert generation.loss(network, text) < before - 0.05
    with pytest.raises(ValueError, match="more than 128 bytes"):
        generation.train(network, b"short", seconds=1)
    with pytest.raises(ValueError, match="seconds"):
        generation.train(network, text, seconds=0)


def test_pythons_own_text_is_there_and_letters_alone_say_little_of_it():
    text = generation.text()
    assert len(text) > 100_000 and b"statement" in text
    assert 2 < generation.letters(text) < math.log(256)
    assert generation.letters(b"aaaa") == 0


# Batching


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("places", [1, 3, 4, 50])
def test_a_schedule_reads_every_prompt_once_and_writes_every_token(way, places):
    requests = lab.requests(lab.SPREAD)
    at, written = {}, [0] * len(requests)
    for part in schedule(requests, places, way):
        if isinstance(part, Read):
            at[part.place] = part.request
            assert written[part.request] == 0
            written[part.request] = 1
        else:
            for place in part.places:
                written[at[place]] += 1
    assert written == [request.answer for request in requests]


def test_static_batches_wait_for_their_longest_answer_and_continuous_ones_for_nobody():
    requests = [Request(4, answer) for answer in (10, 2, 2, 2)]

    def steps(way):
        return sum(isinstance(part, Write) for part in schedule(requests, 2, way))

    assert steps(STATIC) == 9 + 1 and steps(CONTINUOUS) == 9
    assert checks.steps(10, [(4, answer) for answer in (10, 2, 2, 2)], places=2) 


def test_a_played_schedule_counts_every_prompt_and_step_by_its_length():
    run = batching.play([Request(8, 3), Request(4, 1)], 1, STATIC, reading=lambda tokens: 10 * tokens,
                        writing=lambda longest: longest)
    assert run == (120.0, 8 + 9, 4)
    for broken in (dict(requests=[Request(0, 1)]), dict(requests=[Request(1, 0)]), dict(places=0), dict(way="magic")):
        with pytest.raises(ValueError):
            batching.play(**{"requests": [Request(1, 1)], "places": 1, "way": STATIC, "reading": float,
                             "writing": float, **broken})


# Predictions on this machine


def test_a_step_is_products_and_attention_and_more_users_share_the_weights():
    tokens = lab.each(HERE)
    one, many = (tokens.predict(**{**lab.ONE, "users": users}) for users in (1, 16))
    assert set(one.parts) == {lab.WEIGHTS, lab.ATTENTION, lab.CHANGING} and one.value < many.value < 16 * one.value
    assert one.parts[lab.CHANGING] == many.parts[lab.CHANGING] == pytest.approx(1e-5)
    anew = tokens.predict(**{**lab.ONE, "cache": lab.WITHOUT})
    assert anew.value > 5 * one.value
    assert lab.first(HERE).predict(width=1024, prompt=128).value == pytest.approx(anew.value)


def test_continuous_batching_is_predicted_to_gain_where_answers_differ_and_nowhere_else():
    many = lab.serving(HERE)
    rates = {(way, answers): many.predict(width=256, places=8, way=way, answers=answers).value
             for way in WAYS for answers in lab.ANSWERS}
    assert rates[CONTINUOUS, lab.SPREAD] > 1.2 * rates[STATIC, lab.SPREAD]
    assert rates[CONTINUOUS, lab.ALIKE] == pytest.approx(rates[STATIC, lab.ALIKE])


def test_what_would_take_too_long_or_cannot_be_seen_is_not_measured():
    slow = fakes.machine(calibrations={"generation": fakes.generation(slower=1000)})
    assert "too long" in lab.each(slow).measure(**lab.ONE).reason
    assert "too long" in lab.first(slow).measure(width=1024, prompt=128).reason
    assert "too long" in lab.serving(slow).measure(**lab.SMALL, way=STATIC).reason
    assert "64 to 512 MiB" in lab.cache_memory().measure(width=128, users=1).reason


def test_the_tables_and_the_pages_say_why_there_is_no_number():
    def unmeasured(experiment, points):
        from labkit.experiment import Unavailable

        return Comparison(experiment, tuple(Row(point, experiment.predict(**point), Unavailable("No time."))
                                            for point in points))

    each, first, many = (unmeasured(lab.each(HERE), lab.token_points()),
                         unmeasured(lab.first(HERE), lab.prompt_points()),
                         unmeasured(lab.serving(HERE), lab.serving_points()))
    told = tables.told(first, each, many)
    assert told["first-over-next"] == told["continuous-gain"] == "No time." and "No time." in str(tables.tokens(each))


def test_the_figures_draw():
    each = lab.each(HERE)
    point = dict(lab.ONE, width=256)
    measured = Comparison(each, (Row(point, each.predict(**point), Outcome(1e-3, "s")),))
    drawn = [figures.learning([5.0, 3.0], 3.2), figures.cache(each, measured),
             figures.schedules([Request(1, 3), Request(1, 5)], places=2),
             figures.published(at_scale.tested(), at_scale.mixtures())]
    assert all(figure.axes for figure in drawn)


# At scale


def test_the_two_shares_are_the_best_for_the_rows_that_they_were_fitted_to(monkeypatch):
    def error(arithmetic, bandwidth):
        monkeypatch.setattr(predicted, "ARITHMETIC", arithmetic)
        monkeypatch.setattr(predicted, "BANDWIDTH", bandwidth)
        return mean(at_scale.rates((at_scale.HELD,)).errors)

    best = predicted.ARITHMETIC, predicted.BANDWIDTH
    grid = {(a / 100, b / 100): error(a / 100, b / 100) for a in range(50, 67, 2) for b in range(70, 87, 2)}
    assert min(grid, key=grid.get) == best


def test_published_rates_of_dense_models_are_predicted_within_the_goal():
    comparison = at_scale.tested()
    assert len(comparison.errors) == 80 and comparison.median_error <= 0.30
    times = [row.predicted.value / row.published.value for row in comparison.rows]  # published over predicted time
    inside = [1 / (1 + at_scale.SOONER) <= time <= 1 + at_scale.LATER for time in times]
    assert 0.9 <= mean(inside) < 0.98
    assert all(row["model"] != at_scale.HELD or row["format"] == "fp8" for row in catalogue.table("llm-serving"))


def test_latencies_of_mixtures_are_floors():
    for comparison in (at_scale.latencies(), at_scale.first_tokens()):
        assert len(comparison.rows) == 4
        assert all(row.predicted.value <= row.published.value for row in comparison.rows)


def test_published_memory_is_predicted_within_five_percent():
    assert max(at_scale.memories().errors) <= 0.05


def test_more_users_than_find_room_get_no_time_but_the_reason():
    answering = at_scale.answering()
    point = dict(answering.start, model="Llama 8B", card="L40S", format="fp8", prompt=16384, users=256)
    assert "queue" in answering.predict(**point).reason
    assert "do not hold" in answering.predict(**{**point, "model": "Llama 405B"}).reason
    fits = answering.predict(**{**point, "prompt": 128, "users": 16})
    assert "dollars" in fits.note and set(fits.parts) >= {"weights", "cache", "prompts of others"}


# The exercises


def test_right_answers_pass_and_wrong_ones_get_a_hint():
    assert checks.cache_bytes(32 * 8192 * 80 * 2048, "Llama 70B", 32, 8192, 1)
    tokens = lab.each(HERE)
    limit = tokens.predict(width=1024, users=4, context=256, cache=lab.WITH).value * 1.1
    assert checks.most_users(4, tokens, 1024, 256, limit)
    assert "move the users" in checks.most_users(16, tokens, 1024, 256, limit).why
    assert checks.most_users(0, tokens, 1024, 256, 1e-9)
    assert checks.better([(8, 5)] * 4 + [(8, 9)] * 4)
    assert "stand idle" in checks.better([(8, 5), (8, 50)] * 4).why
    assert "eight pairs" in checks.better([(8, 5)]).why


def test_the_network_of_another_size_is_refused():
    with pytest.raises(ValueError, match="64"):
        Transformer(65)
    assert isinstance(Transformer(64), nn.Module)
