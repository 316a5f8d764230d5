"""Lab 2.7: what is counted adds up, follows the way a model is cut, and is refused in sentences where it cannot be."""

from __future__ import annotations

from itertools import pairwise

import fakes
import pytest
import torch

from labkit import catalogue
from labkit.distributed import footprint
from labkit.experiment import Outcome, Unavailable, compare
from labkit.labs.too_big_for_one_node import expectations, figures, measuring, planner, tables
from labkit.labs.too_big_for_one_node import experiments as lab
from labkit.models.networks.transformer import Transformer
from labkit.predict import collectives, large_models, sharding
from labkit.predict.large_models import Layout
from labkit.specs.language_model import PUBLISHED, own, own_layer
from labkit.specs.sharding import DATA_PARALLEL, OFFLOADED, PIPELINE, WAYS, ZERO_2, ZERO_3, ShardedJob


def held(way, processes, **change):
    return sum(sharding.memory(ShardedJob(way, **change), processes).values())


# What is counted


@pytest.mark.parametrize(("width", "layers"), [(64, 2), (128, 5)])
def test_the_model_has_the_parameters_that_are_counted(width, layers):
    network = Transformer(width, layers)
    assert sum(p.numel() for p in network.parameters()) == own(width, layers).parameters
    assert sum(p.numel() for p in network.blocks[0].parameters()) == own_layer(width)


@pytest.mark.parametrize("way", WAYS)
def test_more_processes_never_hold_more_and_a_larger_batch_never_less(way):
    counts = (2, 4, 8) if way == PIPELINE else (2, 4, 8, 32)
    by_count = [held(way, count) for count in counts]
    assert way == PIPELINE or by_count == sorted(by_count, reverse=True)
    by_batch = [held(way, 2, batch=batch) for batch in (2, 4, 16, 64)]
    assert by_batch == sorted(by_batch)
    assert held(way, 2, batch=64, recompute=True) < held(way, 2, batch=64)


def test_shards_divide_what_belongs_to_parameters_and_not_the_activations():
    whole, parts = (sharding.memory(ShardedJob(way, batch=16), 8) for way in (DATA_PARALLEL, ZERO_3))
    assert parts["optimiser"] == pytest.approx(whole["optimiser"] / 8)
    assert parts["parameters"] == pytest.approx(whole["parameters"] / 8)
    assert parts["activations"] == pytest.approx(whole["activations"], rel=0.05)
    assert sharding.memory(ShardedJob(OFFLOADED, batch=16), 8)["optimiser"] == 0


def test_data_parallel_training_of_a_small_batch_holds_twenty_bytes_a_parameter():
    assert held(DATA_PARALLEL, 2, width=1024) == pytest.approx(20 * own(1024, 8).parameters, rel=0.02)
    assert held(DATA_PARALLEL, 1, width=1024) == pytest.approx(16 * own(1024, 8).parameters, rel=0.02)


@pytest.mark.parametrize("processes", [2, 4, 16])
def test_rings_send_what_they_must(processes):
    size = 4 * own(256, 8).parameters
    sent = {way: sum(sharding.traffic(ShardedJob(way), processes, direct=True).values()) for way in WAYS[:4]}
    assert sent[DATA_PARALLEL] == pytest.approx(collectives.traffic(size, processes))
    assert sent[ZERO_2] == pytest.approx(sent[DATA_PARALLEL])
    assert sent[ZERO_3] == sent[OFFLOADED] == pytest.approx(1.5 * sent[DATA_PARALLEL])
    gloo = sum(sharding.traffic(ShardedJob(ZERO_3), processes).values())
    assert gloo == pytest.approx(2 * sent[DATA_PARALLEL])


def test_one_process_sends_nothing_and_inner_stages_send_both_ways():
    assert sharding.traffic(ShardedJob(DATA_PARALLEL), 1) == {}
    two, four = (sharding.traffic(ShardedJob(PIPELINE), count)["send"] for count in (2, 4))
    assert four == 4 * two


def test_exchanges_take_what_their_kinds_take():
    curves = fakes.exchanges().group()
    whole, shards = (sum(sharding.seconds(ShardedJob(way), 2, curves).values()) for way in (DATA_PARALLEL, ZERO_3))
    size = 4 * own(256, 8).parameters
    assert whole == pytest.approx(2 * (2e-4 + size / 2 / 1e9), rel=0.05)
    assert shards == pytest.approx(18 * (1e-4 + size / 9 / 2e9) + 9 * (2e-4 + size / 9 / 1e9), rel=0.05)


@pytest.mark.parametrize(("job", "processes", "words"), [
    (dict(way="halves"), 2, "choose one of"), (dict(width=100), 2, "multiple"), (dict(layers=0), 2, "layers"),
    (dict(batch=0), 2, "batch"), (dict(), 0, "processes"), (dict(), 1.5, "processes"),
    (dict(way=PIPELINE), 16, "8 layers cannot be cut into 16"), (dict(way=PIPELINE, batch=3), 2, "cuts the batch"),
    (dict(way=ZERO_3, width=64), 65, "64 rows")])
def test_what_cannot_be_shared_is_refused_in_a_sentence(job, processes, words):
    with pytest.raises(ValueError, match=words):
        sharding.memory(ShardedJob(**job), processes)


# Large models


def test_the_middle_of_a_llama_is_found_from_its_parameters():
    assert large_models.middle(PUBLISHED["Llama 8B"]) == pytest.approx(14336, rel=0.01)
    assert large_models.middle(PUBLISHED["Llama 405B"]) == pytest.approx(53248, rel=0.01)


@pytest.mark.parametrize("model", planner.MODELS)
@pytest.mark.parametrize("format", large_models.STATES)
def test_every_stage_of_zero_holds_less_than_the_one_before(model, format):
    sums = [sum(large_models.memory(PUBLISHED[model], Layout(64, 8, 1, stage), format, 8192, "whole layers").values())
            for stage in range(4)]
    assert all(more > less for more, less in pairwise(sums))


def test_the_published_training_fits_and_published_peaks_lie_above_the_count():
    experiment = planner.plan()
    assert all(experiment.predict(**point).value < planner.room() for point in planner.LLAMA_405B)
    rows = planner.against_published().rows
    assert len(rows) == len(catalogue.table("training-memory"))
    assert all(0.6 * row.published.value < row.predicted.value < row.published.value for row in rows)


def test_zero_3_sends_half_as_much_again_and_too_few_accelerators_are_told():
    sent = [large_models.sent(PUBLISHED["Llama 8B"], Layout(64, zero=stage), "bf16 alone", 2048)["data parallel"]
            for stage in (1, 2, 3)]
    assert sent[0] == pytest.approx(sent[1]) and sent[2] == pytest.approx(1.5 * sent[1])
    few = planner.plan().predict(**{**planner.START, "accelerators": 8, "cut": "8 by tensor, 8 stages"})
    assert few == Unavailable("A copy that is cut 8 by tensor, 8 stages takes 64 accelerators, not 8.")
    for wrong in (dict(shards=0), dict(shards=2, zero=4)):
        with pytest.raises(ValueError):
            Layout(**wrong)


# The lab, without processes


def ranks(job, processes):
    """Return what a run looks like that came out as counted."""
    peak, sent = (int(sum(parts.values())) for parts in (sharding.memory(job, processes),
                                                         sharding.traffic(job, processes)))
    return [{"peak": peak, "resident": int(1.02 * peak), "sent": sent, "held": peak, "losses": [3.0, 2.0, 1.0],
             "seconds": [0.1, 0.2, 0.3]} for _ in range(processes)]


@pytest.fixture
def found(monkeypatch):
    monkeypatch.setattr(measuring.Runs, "__call__", lambda self, job, processes: ranks(job, processes))
    monkeypatch.setattr(measuring.Runs, "exchange", lambda self, exchanges: Outcome(0.01, "s"))
    return lab.sharded(fakes.machine())


def test_every_point_is_predicted_or_says_why_not(found):
    for experiment in (found.memory, found.traffic, found.exchange, planner.plan()):
        assert all(f"{{{axis.name}}}" in experiment.readout for axis in experiment.axes)
        for point in list(experiment.points())[::5]:
            outcome = experiment.predict(**point)
            assert outcome or outcome.reason.endswith("."), point


def test_what_came_out_as_counted_is_shown_so(found):
    memory, changed = (compare(found.memory, points) for points in (lab.ways(), lab.changes()))
    traffic, timed = compare(found.traffic, lab.ways()), compare(found.exchange, lab.exchanges())
    assert tables.worst(memory) < 1e-3 and tables.worst(changed) < 1e-3 and tables.worst(traffic) < 1e-3
    assert tables.agreement(found) == pytest.approx(1.02, abs=0.001)
    assert tables.shards_over_whole(traffic).value == pytest.approx(2, rel=0.01)
    assert tables.same(tables.losses(found)) and len(timed.errors) == len(lab.exchanges())
    for shown in (tables.counted_twice(found), tables.on_the_wire(found), tables.steps(found), planner.states(),
                  planner.layouts(), tables.loss_table(tables.losses(found))):
        assert "MiB" in str(shown) or "GiB" in str(shown) or "ms" in str(shown) or "3.0" in str(shown)
    assert set(sharding.PARTS) < set(figures.held(memory).axes[0].get_legend_handles_labels()[1])
    for drawn in (figures.held(memory), figures.sent(traffic), figures.published()):
        assert drawn.axes
    assert tables.told(memory, traffic, found)["shards-save"].endswith("times")


def test_a_machine_that_allows_no_processes_says_so_and_the_lab_goes_on(monkeypatch):
    refusal = Unavailable("This machine lets no further process start.")
    monkeypatch.setattr(measuring.Runs, "__call__", lambda self, job, processes: refusal)
    monkeypatch.setattr(measuring.Runs, "exchange", lambda self, exchanges: refusal)
    here = lab.sharded(fakes.machine())
    memory, traffic = compare(here.memory, lab.ways()), compare(here.traffic, lab.ways())
    assert tables.worst(memory).reason.startswith("Nothing could be compared here")
    assert tables.agreement(here) == refusal and tables.same(tables.losses(here))
    for shown in (tables.counted_twice(here), tables.on_the_wire(here), tables.steps(here),
                  tables.loss_table(tables.losses(here))):
        assert refusal.reason in str(shown)
    figures.held(memory)
    expectations.MEMORY_PREDICTED.check(worst=tables.worst(memory))
    assert refusal.reason in tables.told(memory, traffic, here)["memory-off"]


def test_a_point_that_cannot_be_measured_says_why(found):
    for change, words in ((dict(processes=64), "at most"), (dict(processes=1), "nobody to share"),
                          (dict(way=PIPELINE, processes=16), "equal stages")):
        assert words in found.memory.measure(**{**lab.START, **change}).reason
    computed_again = {**lab.START, "way": PIPELINE, "activations": lab.RECOMPUTE}
    assert "not counted" in found.memory.predict(**computed_again).reason


# The witnesses


def test_live_tensors_count_a_storage_once_and_only_while_it_lives():
    with footprint.LiveTensors() as live:
        kept = torch.zeros(1000)
        live.begin()
        views = [kept[:10], kept.view(10, 100)]
        assert live.now() == 4000 and len(views) == 2
        more = torch.ones(500)
        del more
        assert live.now() == 4000 and live.peak == 6000
        live.leave_out([kept])
        assert live.now() == 0


def test_the_memory_of_a_process_is_told_or_not_at_all():
    held = footprint.resident()
    assert held is None or held > 2**20
