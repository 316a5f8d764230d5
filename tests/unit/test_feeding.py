"""Lab 2.3: every format gives the same samples back, no wait is predicted away, and a broken data set says so."""

from __future__ import annotations

import errno
import itertools
import math
import mmap
import os
import shutil
import sys
from types import SimpleNamespace

import fakes
import numpy as np
import pytest

from labkit.checks import NOT_ATTEMPTED, NOT_HERE
from labkit.experiment import Comparison, Outcome, Row, Unavailable
from labkit.labs.feeding_the_cluster import checks, figures, planner, tables
from labkit.labs.feeding_the_cluster import experiments as lab
from labkit.loading import formats, loader, samples
from labkit.loading.formats import BLOCK, FILES, FORMATS, MAP, PARQUET, SHARDS
from labkit.loading.loader import BATCH, Batches, LoaderFailed, epoch, loading
from labkit.loading.places import Folder
from labkit.loading.samples import KINDS, MIXED, PICTURES, BrokenSample
from labkit.measure.probes import feeding as probe
from labkit.measure.probes import storage
from labkit.netem.direction import Direction, Wire
from labkit.predict import input_pipeline
from labkit.specs.link import LinkSpec, on_the_wire
from labkit.widgets.explorer.grid import Grid

COUNT = 2 * BLOCK


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    for kind in KINDS:
        formats.write(folder / kind, kind, COUNT)
    return folder


@pytest.fixture
def copy(root, tmp_path):
    """A copy of the pictures in every format, to be damaged."""
    shutil.copytree(root / PICTURES, tmp_path / "set")
    return tmp_path / "set"


def each(root, kind, layout, blocks=(0, 1)):
    return list(formats.read(layout, Folder(root / kind / layout), kind, blocks))


def decoded(some, layout, kind):
    return np.stack(some) if layout == MAP else np.stack([samples.decode(one, kind) for one in some])


# The same samples in every format


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_samples_in_the_same_order(root, kind):
    first = decoded(each(root, kind, FILES), FILES, kind)
    assert len(first) == COUNT and first["jpg"].std() > 10
    for layout in FORMATS[1:]:
        assert (decoded(each(root, kind, layout), layout, kind) == first).all(), layout


@pytest.mark.parametrize("kind, layout", [*itertools.product(KINDS, FORMATS)])
def test_blocks_are_read_alone_and_no_two_samples_are_the_same(root, kind, layout):
    second, both = (decoded(each(root, kind, layout, blocks), layout, kind) for blocks in ((1,), (0, 1)))
    assert (second == both[BLOCK:]).all()
    assert len({one.tobytes() for one in both}) == COUNT


@pytest.mark.parametrize("kind, layout", [*itertools.product(KINDS, FORMATS)])
def test_the_bytes_that_predictions_count_are_those_on_disk(root, kind, layout):
    content = sum(path.stat().st_size for path in (root / kind / layout).iterdir() if path.suffix != ".json")
    assert formats.size(layout, kind) == pytest.approx(content / COUNT, rel=0.15)


def test_a_batch_is_what_a_network_takes(root):
    picture, sound, text = next(iter(Batches(SHARDS, Folder(root / MIXED / SHARDS))))
    assert picture.shape == (BATCH, samples.SIDE, samples.SIDE, 3) and picture.dtype == np.uint8
    assert sound.dtype == np.float32 and np.isfinite(sound).all() and sound.std() > 0
    assert bytes(text[0]).startswith(b"Picture 0:")
    (plain,) = next(iter(Batches(FILES, Folder(root / PICTURES / FILES))))
    first, second = (samples.decode(one, PICTURES)["jpg"] for one in each(root, PICTURES, FILES)[:2])
    assert (plain[0] == first).all() and (plain[1] == second[:, ::-1]).all()


def test_stages_can_run_alone(root):
    place = Folder(root / PICTURES / FILES)
    assert list(Batches(FILES, place, loader.FETCH)) == [BATCH] * (COUNT // BATCH)
    assert len(list(Batches(FILES, place, loader.PREPARE))) == COUNT // BATCH


# What is broken


def test_a_folder_without_a_data_set_is_refused_with_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no data set.*formats\.write"):
        Batches(FILES, Folder(tmp_path))
    (tmp_path / "set.json").write_text("{}")
    with pytest.raises(FileNotFoundError, match="missing or damaged"):
        Batches(FILES, Folder(tmp_path))


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9])
def test_a_shard_that_ends_too_early_names_itself_and_its_last_sample(copy, cut):
    shard = copy / SHARDS / "0001.tar"
    shard.write_bytes(shard.read_bytes()[:int(cut * shard.stat().st_size)])
    read = formats.read(SHARDS, Folder(copy / SHARDS), PICTURES, [0, 1])
    with pytest.raises(BrokenSample, match=r"shard 0001\.tar is broken"):
        list(read)


def test_a_broken_member_of_a_shard_names_the_sample(copy):
    shard = copy / SHARDS / "0000.tar"
    content = bytearray(shard.read_bytes())
    start = content.index(b"\xff\xd8")  # where the first picture begins
    content[start:start + 400] = bytes(400)
    shard.write_bytes(content)
    with pytest.raises(BrokenSample, match="Sample 000000 cannot be decoded"):
        list(Batches(SHARDS, Folder(copy / SHARDS)))


def test_a_broken_parquet_file_says_so(copy):
    path = copy / PARQUET / "samples.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BrokenSample, match="Parquet file is broken"):
        list(Batches(PARQUET, Folder(copy / PARQUET)))


def test_a_full_disk_is_found_out_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
    with pytest.raises(OSError, match="MiB are free") as refused:
        formats.write(tmp_path / "set", PICTURES, COUNT)
    assert refused.value.errno == errno.ENOSPC and not list((tmp_path / "set").iterdir())


def test_drawing_ends_with_its_time_at_a_whole_block(tmp_path):
    formats.write(tmp_path / "set", PICTURES, 20 * BLOCK, seconds=0)
    assert formats.about(Folder(tmp_path / "set" / FILES)) == (PICTURES, 8 * BLOCK)


def test_a_missing_package_leaves_its_format_out_and_says_which(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    assert "pip install webdataset" in formats.missing(SHARDS) and "pyarrow" in formats.missing(PARQUET)
    assert not formats.missing(FILES)
    formats.write(tmp_path / "set", PICTURES, BLOCK)
    assert {path.name for path in (tmp_path / "set").iterdir()} == {FILES, MAP}


def test_too_little_shared_memory_is_said_before_a_worker_starts(root, monkeypatch, tmp_path):
    monkeypatch.setattr(loader, "_SHARED", tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=2**20))
    with pytest.raises(LoaderFailed, match=r"4 workers need .* shared memory"), loading(
            Batches(FILES, Folder(root / PICTURES / FILES)), 4):
        pass


# The epoch of an accelerator


def test_an_epoch_counts_whole_rounds_after_the_first():
    assert epoch(iter(range(9)), 2, 0.0, 10).batches == 6
    some = epoch(iter(range(40)), 4, 0.001, 0.0)
    assert some.batches == 4 and some.seconds >= 4 * 0.001 and some.waiting < some.seconds
    assert epoch(iter(range(3)), 1, 0.0, 10).batches == 2


# Predictions


@pytest.mark.parametrize("experiment", [lab.steps, lab.stalls, lab.over_link])
def test_every_point_has_a_prediction(experiment):
    built = experiment(fakes.machine())
    assert all(built.predict(**point) for point in built.points())
    assert all(f"{{{axis.name}}}" in built.readout for axis in built.axes)
    Grid(built)


def test_one_worker_adds_its_stages_and_many_reach_the_slowest():
    assert input_pipeline.loading(1, 2.0, 3.0, 1.0, 1.0) == ("workers", 5.0)
    assert input_pipeline.loading(100, 2.0, 3.0, 1.0, 0.5) == ("storage", 1.0)
    assert input_pipeline.loading(100, 2.0, 3.0, 0.5, 1.0) == ("cores", 1.0)
    with pytest.raises(ValueError, match="workers"):
        input_pipeline.loading(0, 1.0, 1.0, 1.0, 1.0)


def test_more_workers_and_slower_accelerators_never_wait_longer():
    steps, stalls = lab.steps(fakes.machine()), lab.stalls(fakes.machine())
    for kind, layout, state in itertools.product(KINDS, FORMATS, probe.STATES):
        at = dict(kind=kind, layout=layout, state=state)
        waits = [steps.predict(**at, workers=workers, each=50_000).value for workers in lab.WORKERS[1:]]
        assert waits == sorted(waits, reverse=True)
        shares = [stalls.predict(**at, workers=2, each=each).value for each in lab.EACH]
        assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] < 100


def test_without_a_worker_all_three_add_up():
    steps = lab.steps(fakes.machine())
    outcome = steps.predict(**{**lab.LOCAL, "workers": 0, "each": 1000})
    assert outcome.value == pytest.approx(BATCH * (1e-3 + 1e-4 + 0.9 * 3e-4))


def test_an_accelerator_that_is_slow_enough_waits_only_for_its_batches_to_be_handed_over():
    calibration, point = fakes.feeding(), dict(kind=PICTURES, layout=FILES, state=lab.COLD, workers=2)
    (hand,) = (seconds for _, seconds in calibration.curve("hand", PICTURES))
    outcome = lab.steps(fakes.machine()).predict(**point, each=200)
    assert outcome.parts[lab.WAITING] == hand and "handing over" in outcome.note
    assert lab.fed_step(calibration, **point, computing=0.16, speed=2)[1][lab.WAITING] == hand / 2
    refused = fakes.machine(calibrations={"feeding": fakes.feeding({("hand", PICTURES): "No processes here."})})
    assert lab.steps(refused).predict(**point, each=200) == Unavailable("No processes here.")
    assert lab.steps(refused).predict(**{**point, "workers": 0}, each=200)


def test_a_stall_is_that_of_the_formula_of_three_stages():
    load = lab.local(fakes.feeding(), PICTURES, FILES, lab.COLD, 2)[1]
    stall = lab.stalls(fakes.machine()).predict(**{**lab.LOCAL, "workers": 2, "each": 10_000}).value
    assert stall == pytest.approx(100 * input_pipeline.stalled({"loading": 1 / load, "compute": 10_000}))


def test_what_cannot_be_read_cold_is_unavailable_and_warm_stays():
    key = ("fetch", PICTURES, FILES, lab.COLD)
    steps = lab.steps(fakes.machine(calibrations={"feeding": fakes.feeding({key: "It keeps them."})}))
    for half in (steps.predict, steps.measure):
        assert half(**lab.LOCAL) == Unavailable("It keeps them.")
    assert steps.predict(**{**lab.LOCAL, "state": lab.WARM})
    here = fakes.machine(calibrations={"feeding": fakes.feeding({key: "It keeps them."})})
    assert all(steps.predict(**point) for point in lab.step_points(here))
    assert {point["state"] for point in lab.step_points(fakes.machine())} == {lab.COLD}


def test_over_a_link_shards_hide_latency_and_nobody_gets_more_than_its_bandwidth():
    far = lab.over_link(fakes.machine())
    one = {layout: far.predict(**{**lab.FAR, "layout": layout}).value for layout in FORMATS}
    assert one[SHARDS] > 10 * one[FILES] and one[PARQUET] > 10 * one[FILES]
    assert far.predict(**{**lab.FAR, "readers": 8}).value == pytest.approx(8 * one[FILES], rel=0.01)
    assert far.predict(**{**lab.FAR, "kind": MIXED}).value < one[FILES] / 2.5
    for point in far.points():
        rate = far.predict(**point).value * lab.wire(point["layout"], point["kind"])
        assert rate <= 1.001 * point["rate"] * 1e6 / 8


def test_a_round_that_would_take_long_is_not_measured():
    outcome = lab.over_link(fakes.machine()).measure(**{**lab.FAR, "kind": MIXED, "trip": 50})
    assert isinstance(outcome, Unavailable) and "too long" in outcome.reason


def test_connections_of_one_wire_share_its_rate_and_not_their_losses():
    wire, spec = Wire(), LinkSpec(rate=1e6)
    lines = [Direction(spec, seed, wire) for seed in (1, 2)]
    for line in lines:
        line.stream(0.0, bytes(10_000))
    assert lines[1].due == pytest.approx(2 * on_the_wire(10_000) / 1e6)
    lossy = Direction(LinkSpec(0.1, 1e6, 0.9), 3, wire)
    lossy.stream(0.0, bytes(10_000))
    assert lossy.due > 1 > wire.free


# The planner


def test_a_cluster_is_bound_by_what_is_smallest():
    plan = planner.plan()
    start = dict(nodes=32, load="text", storage=1, link=10, cached=0)
    assert "No accelerator waits" in plan.predict(**start).note
    assert "Storage binds" in plan.predict(**{**start, "load": "scans"}).note
    assert "The network binds" in plan.predict(**{**start, "load": "scans", "storage": 1000}).note
    for name in ("nodes", "storage", "link", "cached"):
        values = [plan.predict(**{**start, "load": "scans", name: value}).value for value in plan.axis(name).values]
        assert values == sorted(values)
    assert sum(1 for _ in plan.points()) < 7000


def test_an_order_has_every_load_and_published_systems_beside():
    rows = planner.order(32).rows
    assert [row[0] for row in rows] == list(planner.LOADS)
    assert "H100" in rows[0][3] and rows[-1][3] == "none"
    assert planner.stalls().rows[0][2] == "10 to 70 %" and planner.stalls().rows[-1][2] == "0 %"


# Tables, figures, checks


@pytest.fixture
def compared():
    steps, far = lab.steps(fakes.machine()), lab.over_link(fakes.machine())
    rows = []
    for point in lab.STEPS.values():
        model = steps.predict(**point)
        rows.append(Row(point, model, Outcome(model.value, "s", parts=model.parts)))
    brought = [Row(point, far.predict(**point), Outcome(far.predict(**point).value, "samples/s"))
               for point in lab.OVER_LINK]
    return Comparison(steps, tuple(rows)), Comparison(far, tuple(brought))


def test_tables_say_what_was_measured(compared):
    steps, far = compared
    assert tables.stall_error(steps) == pytest.approx(0)
    assert tables.without_over_with(steps).value > 1
    assert tables.gain(far, dict(layout=SHARDS), {}).value > 10
    assert isinstance(tables.gain(far, dict(readers=16), {}), Unavailable)
    told = tables.told(steps, far)
    assert 0 < float(told["stall-slow"].removesuffix(" %")) < 1 and told["shards-gain"].endswith(" times")
    for table in (tables.stages(fakes.machine()), tables.three_stages(fakes.machine()), tables.stalls(steps),
                  tables.over_link(far), tables.predicted(steps.experiment, lab.step_points(fakes.machine()))):
        assert str(table)


def test_what_was_not_measured_is_said_and_nothing_fails(compared):
    missing = {key: "Not here." for key in probe.KEYS}
    nothing = fakes.machine(calibrations={"feeding": fakes.feeding(missing)})
    steps = lab.steps(nothing)
    rows = tuple(Row(point, steps.predict(**point), steps.measure(**point)) for point in lab.STEPS.values())
    empty = Comparison(steps, rows)
    assert not tables.stall_error(empty) and tables.told(empty, empty)["shards-gain"]
    assert tables.over(nothing, "cold over warm") == Unavailable("Not here.")
    assert tables.over(fakes.machine(), "cold over warm") == pytest.approx(5)
    assert "Not here." in str(tables.stages(nothing)) and "Not here." in str(tables.three_stages(nothing))
    for figure in (figures.stages(nothing), figures.over_link(lab.over_link(nothing), empty)):
        assert figure == Unavailable("Not here.")
    asked = checks.fewest_workers(2, steps, kind=PICTURES, layout=FILES, state=lab.COLD, each=1000)
    assert asked.state == NOT_HERE and "Not here." in asked.why


def test_figures_are_drawn(compared):
    steps, far = compared
    assert figures.stages(fakes.machine()).axes and figures.over_link(far.experiment, far).axes
    assert figures.steps(dict(zip(lab.STEPS, steps.rows, strict=True))).axes


@pytest.mark.parametrize("check, right, wrong", [
    (lambda answer: checks.bandwidth(answer, 256, 1800, 115e3, 0.35), 256 * 1800 * 115e3 * 0.65, 256 * 1800 * 115e3),
    (lambda answer: checks.readers_to_fill(answer, 0.01, 12.5e6, 5e3), 26, 25),
    (lambda answer: checks.shard(answer, 0.01, 12.5e6, 0.1), 1.125e6, 1.25e5),
    (lambda answer: checks.fewest_workers(answer, lab.steps(fakes.machine()), kind=MIXED, layout=SHARDS,
                                          state=lab.COLD, each=10_000), 2, 8),
])
def test_exercises_take_the_right_answer_alone(check, right, wrong):
    assert check(right).ok is True and check(wrong).ok is False and check(None).state == NOT_ATTEMPTED
    assert check(math.nan).ok is False


# Cold


def test_what_was_dropped_is_gone_and_a_system_that_cannot_says_so(copy, monkeypatch):
    if sys.platform == "linux":
        path = copy / MAP / "records.bin"
        with path.open("rb+") as file:
            os.fsync(file.fileno())
            file.read()
        kept, pages = storage._in_memory(path)
        assert kept == pages == -(-path.stat().st_size // mmap.PAGESIZE)
        try:
            assert storage.evict(copy / MAP) <= storage._KEPT
        except storage.NoColdReads as trouble:
            pytest.skip(str(trouble))
        assert storage._in_memory(path)[0] <= storage._KEPT * pages  # looking has read nothing
        monkeypatch.setattr(storage, "_in_memory", lambda path: (1, 1))
        with pytest.raises(storage.NoColdReads, match="keeps 100%"):
            storage.evict(copy / MAP)
        monkeypatch.delattr(os, "posix_fadvise")
    with pytest.raises(storage.NoColdReads, match="takes Linux"):
        storage.evict(copy / MAP)
