"""Lab 4.1: a limit that holds, a process that is always ended, and files in fewer bits that still know a cat."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import fakes
import numpy as np
import onnx
import psutil
import pytest
import sandbox_jobs
import torch
from torch import nn

from labkit.checks import SLACK
from labkit.experiment import Outcome, Unavailable
from labkit.labs.a_smaller_machine import checks as check
from labkit.labs.a_smaller_machine import experiments as small
from labkit.measure import limited_jobs, limits
from labkit.measure.probes import sessions
from labkit.models.datasets import cats
from labkit.models.evaluation import evaluate
from labkit.models.networks.cats import CatNet, as_input
from labkit.models.networks.quantised import Quantised, affine, rounded
from labkit.models.training import train
from labkit.predict import boards
from labkit.predict import small_machine as predicted
from labkit.processes import HelperFailed
from labkit.runtimes import executorch, onnx_export, onnx_session
from labkit.specs.execution import ONNX_FORMATS
from labkit.units import quantity
from labkit.widgets.explorer import Explorer

MIB = 2**20
CPU = torch.device("cpu")
HERE = {"form": "fp32", "device": small.THIS}
linux = pytest.mark.skipif(not limits.backend(), reason=getattr(limits.backend(), "reason", ""))


@pytest.fixture(scope="module")
def pictures():
    return cats.draw(6_000, seed=2)


@pytest.fixture(scope="module")
def unseen():
    return cats.draw(1_500, seed=3)


@pytest.fixture(scope="module")
def trained(pictures):
    torch.manual_seed(0)
    network = CatNet(8)
    train(network, pictures.images, pictures.labels, epochs=6, batch=64, device=CPU)
    return network


@pytest.fixture(scope="module")
def files(trained, pictures, tmp_path_factory):
    aware = Quantised.of(trained, pictures.images[:256])
    train(aware, pictures.images, pictures.labels, epochs=1, lr=1e-3, device=CPU)
    folder = tmp_path_factory.mktemp("files")
    return onnx_export.every_format(trained, folder, pictures.images[:256].numpy(), aware), aware


# Files


@pytest.mark.parametrize("width", small.WIDTHS)
def test_sizes_are_those_of_the_formula_but_for_a_header(width, pictures, tmp_path):
    for form in ONNX_FORMATS:
        path = onnx_export.in_format(form, CatNet(width), tmp_path / "cats.onnx", pictures.images[:8].numpy())
        numbers = predicted.file(form, width)
        assert 0 <= path.stat().st_size - sum(numbers.values()) <= predicted.HEADER
        assert numbers["weights"] == predicted.file("fp32", width)["weights"] // (4 if form != "fp32" else 1)


def test_a_file_answers_as_the_network_does(tmp_path):
    for width in (1, 7, 16):
        network = CatNet(width)
        opened = onnx_session.Network(onnx_export.write(network, tmp_path / "cats.onnx"))
        for batch in (1, 5):
            x = torch.rand(batch, 3, 32, 32) * 2 - 1
            assert torch.allclose(torch.from_numpy(opened(x.numpy())), network(x), atol=1e-5)


def test_a_file_says_what_the_frameworks_own_exporter_says(tmp_path):
    pytest.importorskip("onnxscript")
    network, n = CatNet(4).eval(), torch.export.Dim("n")
    official = torch.onnx.export(network, (torch.rand(2, 3, 32, 32),), dynamo=True, verbose=False,
                                 dynamic_shapes=[{0: n}])
    official.save(tmp_path / "official.onnx")
    theirs = onnx.load(tmp_path / "official.onnx").graph
    ours = onnx.load(onnx_export.write(network, tmp_path / "ours.onnx")).graph
    assert [node.op_type for node in ours.node] == [
        {"Reshape": "Flatten"}.get(node.op_type, node.op_type) for node in theirs.node]
    numbers = [sorted(onnx.numpy_helper.to_array(w).size for w in graph.initializer) for graph in (ours, theirs)]
    assert set(numbers[0]) <= set(numbers[1])


def test_bytes_become_the_floats_that_the_network_learned_from(pictures):
    some = pictures.images[:20]
    assert np.array_equal(onnx_session.as_input(some.numpy()), as_input(some).numpy())


@pytest.mark.parametrize("form", [*ONNX_FORMATS, onnx_export.TRAINED])
def test_every_format_knows_a_cat_as_well(form, files, trained, unseen):
    before, tolerance = evaluate(trained, unseen).accuracy, 0.04 if form == onnx_export.TRAINED else 0.02
    answers = onnx_session.Network(files[0][form]).answers(unseen.images.numpy())
    assert before > 0.9
    assert (answers == unseen.truth.numpy()).mean() == pytest.approx(before, abs=tolerance)


def test_the_trained_file_computes_what_the_training_felt(files, unseen):
    """Rounding in PyTorch and whole numbers in ONNX Runtime agree, but for sums that end between two levels."""
    paths, aware = files
    with torch.no_grad():
        felt = aware.eval()(as_input(unseen.images)).numpy()
    real = onnx_session.Network(paths[onnx_export.TRAINED])(onnx_session.as_input(unseen.images.numpy()))
    step = affine(*aware.ranges[-1].tolist())[0]
    assert np.quantile(np.abs(felt - real), 0.99) <= 3 * step
    assert (felt.argmax(1) == real.argmax(1)).mean() > 0.98


def test_where_time_goes_is_where_the_time_of_a_run_goes(files):
    for form in ONNX_FORMATS:
        spent = onnx_session.where_time_goes(files[0][form], batch=64, runs=10)
        whole = median(onnx_session.Network(files[0][form]).sampler(64)() for _ in range(9))
        assert list(spent.values()) == sorted(spent.values(), reverse=True)
        assert whole / 4 < sum(spent.values()) < whole * 4
        assert any("Conv" in name for name in list(spent)[:2])


def test_nothing_is_left_of_a_record(files):
    before = set(Path(tempfile.gettempdir()).iterdir())
    onnx_session.where_time_goes(files[0]["fp32"], runs=2)
    assert not [path for path in set(Path(tempfile.gettempdir()).iterdir()) - before if "times" in path.name]


# Files that are none


@pytest.mark.parametrize("damage", [
    lambda whole: b"", lambda whole: b"no network at all", lambda whole: bytes(1000), lambda whole: whole[:-1],
    lambda whole: whole[:len(whole) // 2], lambda whole: whole[:100], lambda whole: whole[1:],
    lambda whole: b"\x80\x04" + whole, lambda whole: whole[:50] + bytes(200) + whole[250:],
])
def test_a_damaged_or_truncated_file_is_refused_in_words(damage, files, tmp_path, pictures):
    path = tmp_path / "cats.onnx"
    path.write_bytes(damage(files[0]["fp32"].read_bytes()))
    for use in (lambda: onnx_session.Network(path), lambda: onnx_export.dynamic(path, tmp_path / "new.onnx"),
                lambda: onnx_export.static(path, tmp_path / "new.onnx", pictures.images[:8].numpy())):
        with pytest.raises(onnx_session.Unusable, match=r"cats\.onnx .*(damaged|not a network of this course)"):
            use()
    assert not (tmp_path / "new.onnx").exists()


def test_what_is_no_file_is_refused_in_words(tmp_path):
    for path in (tmp_path, tmp_path / "missing.onnx"):
        with pytest.raises(onnx_session.Unusable, match="no such file"):
            onnx_session.Network(path)


@pytest.mark.parametrize("weight", [math.nan, math.inf])
def test_weights_that_are_no_numbers_are_refused(weight, tmp_path):
    network = CatNet(4)
    with torch.no_grad():
        network[2].weight[0, 0, 0, 0] = weight
        network[0].bias.fill_(1.0)
    with pytest.raises(onnx_session.Unusable, match="no number"):
        onnx_session.Network(onnx_export.write(network, tmp_path / "cats.onnx"))


def test_another_network_is_refused(tmp_path):
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])], "g",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 8])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 8])])
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "other.onnx")
    with pytest.raises(onnx_session.Unusable, match="not a network of this course"):
        onnx_session.Network(tmp_path / "other.onnx")


@pytest.mark.parametrize("layer", [nn.MaxPool2d(2), nn.Dropout(), nn.Sigmoid(), nn.LSTM(3, 3),
                                   nn.Conv2d(4, 4, 3, bias=False)])
def test_a_layer_that_cannot_be_written_is_named(layer, tmp_path):
    with pytest.raises(onnx_session.Unusable, match=rf"{type(layer).__name__} .*torch\.onnx\.export"):
        onnx_export.write(nn.Sequential(*list(CatNet(4))[:2], layer), tmp_path / "cats.onnx")
    assert not (tmp_path / "cats.onnx").exists()


def test_a_network_for_pictures_of_another_size_is_refused(tmp_path):
    with pytest.raises(onnx_session.Unusable, match="32 × 32"):
        onnx_export.write(CatNet(4, size=64), tmp_path / "cats.onnx")


def test_what_has_nothing_to_quantise_says_so(files, tmp_path, pictures):
    only_relu = onnx_export.write(nn.Sequential(nn.ReLU(), nn.Flatten()), tmp_path / "relu.onnx")
    for source in (only_relu, files[0]["int8 static"], files[0]["int8 dynamic"]):
        for quantise in (lambda s: onnx_export.dynamic(s, tmp_path / "new.onnx"),
                         lambda s: onnx_export.static(s, tmp_path / "new.onnx", pictures.images[:8].numpy())):
            with pytest.raises(onnx_session.Unusable, match=r"cannot be quantised.*32-bit floats"):
                quantise(source)
    with pytest.raises(ValueError, match="nothing to quantise"):
        Quantised(nn.Sequential(nn.ReLU()))


@pytest.mark.parametrize("images", [np.zeros((0, 3, 32, 32), np.uint8), np.zeros((4, 3, 32, 32), np.float32), None])
def test_calibration_needs_pictures(images, files, tmp_path):
    with pytest.raises(ValueError, match="Calibration needs one byte picture"):
        onnx_export.static(files[0]["fp32"], tmp_path / "new.onnx", images)
    with pytest.raises(ValueError, match="one picture or more"):
        Quantised.of(CatNet(4), torch.zeros(0, 3, 32, 32, dtype=torch.uint8))


@pytest.mark.parametrize("batch", [0, -1, 1.5, math.nan, "3", None])
def test_a_batch_that_is_none_is_refused(batch, files):
    with pytest.raises(ValueError, match="A batch is a whole number of pictures from 1 up"):
        onnx_session.Network(files[0]["fp32"]).sampler(batch)
    with pytest.raises(ValueError, match="Batch size cannot be"):
        small.time(fakes.machine()).predict(batch=batch, width=16, **HERE)


@pytest.mark.parametrize("given", [np.zeros((0, 3, 32, 32), np.float32), np.zeros((1, 3, 32, 32)),
                                   np.zeros((1, 3, 31, 32), np.float32), np.zeros((3, 32, 32), np.float32), None, [1]])
def test_pictures_of_another_shape_or_type_are_refused(given, files):
    with pytest.raises(ValueError, match="one picture or more"):
        onnx_session.Network(files[0]["fp32"])(given)


# Fewer bits


def test_rounding_keeps_to_the_levels_and_passes_the_gradient():
    weight = torch.randn(5, 3, 3, 3, requires_grad=True)
    for bits in range(2, 9):
        levels = rounded(weight, bits) / (weight.detach().flatten(1).abs().amax(1) / (2 ** (bits - 1) - 1))[
            :, None, None, None]
        assert torch.allclose(levels, levels.round(), atol=1e-3)
        assert levels.abs().max() <= 2 ** (bits - 1) - 1 + 1e-3
    rounded(weight, 4).sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight))
    errors = [float((rounded(weight, bits) - weight).detach().abs().max()) for bits in range(2, 9)]
    assert errors == sorted(errors, reverse=True)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 3), (-2, 0), (0.5, 2), (-3, -1), (0, 0)])
def test_a_scale_covers_its_range_and_zero(low, high):
    scale, zero = affine(low, high)
    assert scale > 0 and -128 <= zero <= 127
    assert scale * (-128 - zero) <= min(low, 0) + scale and scale * (127 - zero) >= max(high, 0) - scale


def test_training_with_few_bits_mends_what_they_broke(trained, pictures, unseen):
    few = Quantised.of(trained, pictures.images[:256], bits=2)
    broken = evaluate(few, unseen).accuracy
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    train(few, pictures.images, pictures.labels, epochs=2, lr=1e-3, device=CPU)
    assert evaluate(trained, unseen).accuracy - broken > 0.05
    assert evaluate(few, unseen).accuracy > broken + 0.05
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())


@pytest.mark.parametrize("bits", [1, 0, 9, -1, 2.5, math.nan, "8", None])
def test_a_number_of_bits_that_is_none_is_refused(bits):
    with pytest.raises(ValueError, match="can have 2 to 8 bits"):
        Quantised(CatNet(4), bits=bits)
    with pytest.raises(ValueError, match="activations can have"):
        Quantised(CatNet(4), activations=bits)


# The limit


@pytest.fixture(params=["the best", "address space"])
def backend(request, monkeypatch):
    """Run with the best limit that there is, and with the one that is left without control groups."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    if request.param == "address space":
        monkeypatch.setattr(limits, "_place", lambda: None)
    children = psutil.Process().children(recursive=True)
    yield limits.backend()
    assert psutil.Process().children(recursive=True) == children
    assert not groups()


def groups():
    place = limits._place()
    return list(place[0].glob(f"cluster-to-edge-{os.getpid()}-*")) if place else []


def run(job, memory=None, patience=30, **arguments):
    return limits.run("sandbox_jobs", {"job": job, **arguments}, memory=memory, patience=patience)


@linux
def test_what_fits_finishes_and_what_does_not_is_ended_and_said_so(backend):
    fits = run("take", memory=128 * MIB, size=64 * MIB)
    assert fits and fits.how == "finished" and fits.result == {"taken": 64 * MIB}
    assert 64 * MIB <= fits.peak <= 110 * MIB
    large = run("take", memory=128 * MIB, size=256 * MIB)
    assert not large and large.how == ("refused" if backend == limits.ADDRESS_SPACE else "killed")
    assert "more memory than 128 MiB" in large.words and backend in large.words
    assert run("take", size=256 * MIB).result == {"taken": 256 * MIB}


@linux
def test_it_has_one_core_and_libraries_that_know_it(backend):
    before = os.sched_getaffinity(0)
    assert run("cores").result == {"cores": 1, "threads": 1}
    assert os.sched_getaffinity(0) == before  # the limit is the sandbox's alone


@linux
def test_a_process_that_takes_too_long_is_stopped(backend):
    begin = time.monotonic()
    ended = run("wait", patience=1, seconds=60)
    assert ended.how == "stopped" and "not finished after 1 s" in ended.words
    assert time.monotonic() - begin < 10


@linux
@pytest.mark.parametrize(("how", "words"), [("exception", "ZeroDivisionError: nothing divided by nothing"),
                                            ("signal", "did not answer"), ("exit", "did not answer")])
def test_a_failure_for_another_reason_is_not_blamed_on_the_memory(how, words, backend):
    ended = run("fail", memory=256 * MIB, how=how)
    assert ended.how == "failed" and words in ended.words and "not for want of memory" in ended.words


@linux
@pytest.mark.parametrize("stop", [KeyboardInterrupt, HelperFailed("silent"), RuntimeError])
def test_whatever_happens_here_the_process_is_ended(stop, backend, monkeypatch):
    def interrupted(*_, **__):
        raise stop

    monkeypatch.setattr(limits._Sandboxed, "answer", interrupted)
    begin = time.monotonic()
    try:
        assert run("wait", seconds=60).how == "stopped"
    except (KeyboardInterrupt, RuntimeError) as raised:
        assert isinstance(raised, stop)
    assert time.monotonic() - begin < 10  # and the fixture finds nothing left


CONFINE = """
from labkit.measure import limits
limits.run("sandbox_jobs", {"job": "wait", "seconds": 600}, memory=2**28, patience=300)
"""


@linux
def test_a_killed_parent_takes_the_process_with_it(tmp_path):
    told = tmp_path / "pid"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CONFINED_PID": str(told)}
    parent = subprocess.Popen([sys.executable, "-c", CONFINE], env=environment)
    try:
        limit = time.monotonic() + 30
        while not told.exists() or not told.read_text():
            assert time.monotonic() < limit and parent.poll() is None
            time.sleep(0.05)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    inside = int(told.read_text())
    while psutil.pid_exists(inside):
        assert time.monotonic() < limit
        time.sleep(0.05)
    if place := limits._place():
        run("cores")
        assert not list(place[0].glob(f"cluster-to-edge-{parent.pid}-*")), "the next run sweeps"


@pytest.mark.parametrize("memory", [0, -1, 2**20 - 1, 1.5e9, math.nan, math.inf, "512 MiB", True])
def test_a_limit_that_is_none_is_refused(memory):
    with pytest.raises(ValueError, match="whole number of bytes, 1 MiB"):
        run("cores", memory=memory)


@pytest.mark.parametrize("patience", [0, -1, math.nan, math.inf])
def test_a_patience_that_is_none_is_refused(patience):
    with pytest.raises(ValueError, match="number of seconds above 0"):
        run("cores", patience=patience)


@pytest.mark.parametrize(("platform", "name"), [("darwin", "macOS"), ("win32", "Windows"), ("freebsd14", "freebsd14")])
def test_where_nothing_can_limit_the_lab_says_so(platform, name, monkeypatch):
    monkeypatch.setattr(sys, "platform", platform)
    assert not limits.backend() and limits.backend().reason.startswith(name)
    limited_jobs.need.cache_clear()
    try:
        memory = small.memory(limited_jobs.need("train"), limited_jobs.need("infer"))
        for outcome in (memory.predict(**memory.start), memory.measure(**memory.start)):
            assert not outcome and name in outcome.reason
        ended = limited_jobs.train(cats.draw(4), 4, 1)
        assert not ended and name in small.words(ended) and name in small.peak(ended).reason
        assert name in limited_jobs.enough("train", 2**29).reason
    finally:
        limited_jobs.need.cache_clear()


def test_version_2_limits_memory_and_swap_and_reads_its_own_counters(tmp_path, monkeypatch):
    offered = {"memory.max": "max", "memory.swap.max": "max", "memory.peak": "5000000",
               "memory.events": "low 0\nmax 3\noom 1\noom_kill 1\n", "memory.stat": "anon 4000\nfile 1000000\n",
               "cgroup.procs": ""}

    def make(folder):  # what the kernel does in a folder of control groups
        os.mkdir(folder)
        for name, content in offered.items():
            (folder / name).write_text(content)

    monkeypatch.setattr(Path, "mkdir", make)
    group = limits.Group(tmp_path, 2, 300 * MIB)
    assert (group.folder / "memory.max").read_text() == str(300 * MIB)
    assert (group.folder / "memory.swap.max").read_text() == "0"
    assert group.peak() == 4_000_000 and group.kills() == 1
    (group.folder / "memory.peak").unlink()  # before Linux 5.19
    assert group.peak() is None
    for path in group.folder.iterdir():  # a real group's files go with it
        path.unlink()
    group.remove()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_limits_nothing_is_no_group(tmp_path):
    with pytest.raises(OSError, match="does not limit memory"):
        limits.Group(tmp_path, 2, 2**28)
    assert not list(tmp_path.iterdir())


# Training and inference on the small machine


@linux
@pytest.mark.slow
def test_the_predicted_limit_separates_what_trains_from_what_is_ended():
    memory = small.memory(limited_jobs.need("train"), limited_jobs.need("infer"))
    needed = memory.predict(job="train", width=64, batch=512).value
    some = cats.draw(1024)
    enough, little = (limited_jobs.train(some, 64, 512, memory=round(needed * factor)) for factor in (1.2, 0.8))
    assert enough.result["pictures"] == 1024 and math.isfinite(enough.result["loss"])
    assert little.how in ("killed", "refused")
    assert enough.peak == pytest.approx(needed, rel=0.15)


@linux
def test_inference_answers_the_same_under_the_limit_as_without(files, unseen):
    path = files[0]["int8 static"]
    ended = limited_jobs.infer(path, unseen, memory=256 * MIB)
    right = int((onnx_session.Network(path).answers(unseen.images.numpy()) == unseen.truth.numpy()).sum())
    assert ended.result["right"] == right and ended.result["tested"] == len(unseen)
    assert 0 < ended.result["low"] <= ended.result["median"] <= ended.result["high"]
    assert ended.peak < 256 * MIB


@linux
@pytest.mark.parametrize("width", [4, 32])
def test_many_answers_one_by_one_take_no_more_memory_than_their_pictures(tmp_path, width):
    path = onnx_export.write(CatNet(width), tmp_path / "cats.onnx")
    few, many = (limited_jobs.infer(path, cats.draw(count)) for count in (64, 3000))
    assert many.peak - few.peak < 2 * 3000 * predicted.PICTURE


@linux
@pytest.mark.parametrize("job", ["train", "infer"])
def test_a_limit_under_the_interpreters_own_need_is_refused_with_the_number(job, unseen, files):
    needed = limited_jobs.need(job)
    assert limited_jobs.enough(job, needed + MIB) is None
    refusal = limited_jobs.enough(job, 16 * MIB)
    assert not refusal and "interpreter and its libraries alone" in refusal.reason
    assert quantity(needed, "B") in refusal.reason and "16 MiB" in refusal.reason
    tried = (limited_jobs.train(unseen[:16], 4, 1, memory=16 * MIB) if job == "train"
             else limited_jobs.infer(files[0]["fp32"], unseen[:16], memory=16 * MIB))
    assert tried.how in ("killed", "refused") and "16 MiB" in tried.words


@linux
def test_a_damaged_file_on_the_device_is_reported(tmp_path, unseen):
    (tmp_path / "cats.onnx").write_bytes(b"half a network")
    ended = limited_jobs.infer(tmp_path / "cats.onnx", unseen[:4])
    assert ended.how == "failed" and "damaged, truncated" in ended.words


def test_there_are_two_jobs():
    with pytest.raises(ValueError, match="no job 'dance', but train and infer"):
        limited_jobs.need("dance")


# Predictions


def test_more_pictures_or_channels_never_take_less():
    times, memory = small.time(fakes.machine()), small.memory(200 * MIB, 30 * MIB)
    for form, width in itertools.product(small.FORMATS, small.WIDTHS):
        found = [times.predict(batch=b, width=width, form=form, device=small.THIS).value for b in small.BATCHES]
        assert found == sorted(found)
    for job, batch in itertools.product(("train", "infer"), small.TRAINING_BATCHES):
        found = [memory.predict(batch=batch, width=width, job=job) for width in small.WIDTHS]
        assert [f.value for f in found] == sorted(f.value for f in found)
        assert all(f.parts["interpreter and libraries"] == (200 if job == "train" else 30) * MIB for f in found)


def test_every_point_is_predicted_or_says_why_not_and_the_explorer_stays_light():
    accuracy = {("fp32", 16): Outcome(98.0, "%", low=97.0, high=99.0)}
    times = small.time(fakes.machine(), accuracy)
    outcomes = {tuple(point.values()): times.predict(**point) for point in times.points()}
    assert len(outcomes) < 3_000
    for (_, width, form, device), outcome in outcomes.items():
        assert outcome or outcome.reason
        assert bool(outcome) == (device == small.THIS or (
            device != small.ONE_RESULT and form != "int8 dynamic" and (form == "int8 static" or "M7" in device)))
        assert ("98.0 % right" in getattr(outcome, "note", "")) == (
            device == small.THIS and (form, width) == ("fp32", 16))
    Explorer(times, x="batch", colour="form")
    assert not times.measure(batch=1, width=16, form="fp32", device="Cortex-M4 at 120 MHz")


@pytest.mark.parametrize("width", [0, -4, 10, 1000, 16.5, math.nan, "16", None])
def test_a_width_off_the_slider_is_refused_with_the_nearest(width):
    with pytest.raises(ValueError, match=r"Width of the network cannot be .*runs from 4 to 64 channels"):
        small.time(fakes.machine()).predict(batch=1, width=width, **HERE)


def test_a_machine_without_the_instrument_is_refused():
    with pytest.raises(ValueError, match="sessions"):
        small.time(fakes.machine(calibrations={}))


@pytest.mark.parametrize("form", ["int4", "", None])
def test_a_format_that_is_none_is_refused(form):
    with pytest.raises(ValueError, match="no format"):
        predicted.file(form, 16)


def test_the_largest_batch_is_the_last_that_fits():
    memory = small.memory(200 * MIB, 30 * MIB)
    for limit in (199, 205, 300, 512, 5000):
        batch = small.largest(memory, 64, limit * MIB)
        fits = {b for b in small.TRAINING_BATCHES
                if memory.predict(batch=b, width=64, job="train").value <= limit * MIB}
        assert batch == max(fits, default=None)


def test_points_to_validate_were_not_calibrated(monkeypatch):
    monkeypatch.setattr(limited_jobs, "need", lambda job: 100 * MIB)
    (times, points), (memory, jobs) = small.validation(fakes.machine())
    assert len(points) >= 24 and {p["form"] for p in points} == set(small.FORMATS)
    assert not any(p["width"] in sessions.WIDTHS and p["batch"] in sessions.BATCHES for p in points)
    assert {j["job"] for j in jobs} == {"train", "infer"} and not any(j["batch"] == 1 == j["width"] for j in jobs)
    for experiment, chosen in ((times, points), (memory, jobs)):
        assert all(experiment.predict(**point) for point in chosen)


# Boards


def test_operations_of_the_published_networks_are_those_that_are_known():
    """12.5, 7.5, 2.7 and 0.26 million multiplications and additions: two operations each."""
    known = {"image classification": 12.5, "visual wake words": 7.49, "keyword spotting": 2.66,
             "anomaly detection": 0.264}
    assert {task: round(n / 2e6, 3) for task, n in boards.OPERATIONS.items()} == pytest.approx(known, rel=2e-3)


def test_a_board_predicts_a_network_from_another_by_operations():
    assert boards.seconds(0.1, boards.OPERATIONS[boards.CLOSEST]) == pytest.approx(0.1)
    assert boards.seconds(0.1, 10, of=20) == 0.05
    for nonsense in ((0, 1, 1), (-1, 1, 1), (1, 0, 1), (1, 1, 0), (math.nan, 1, 1)):
        with pytest.raises(ValueError, match="above 0"):
            boards.seconds(*nonsense)


def test_boards_that_keep_the_rate_are_predicted_exactly_by_operations():
    steady = [{task: n / rate for task, n in boards.OPERATIONS.items()} for rate in (1e7, 3e8)]
    assert all(ratio == pytest.approx(1) for ratios in boards.by_operations(steady).values() for ratio in ratios)
    for odd in steady:
        odd["keyword spotting"] *= 3  # the software is bad at it everywhere
    assert boards.by_operations(steady)["keyword spotting"] == pytest.approx([3, 3])
    assert boards.by_board({"a": steady})["keyword spotting"] == pytest.approx([1, 1])
    assert boards.by_board({"a": steady[:1], "b": steady[1:]})["keyword spotting"] == []


def test_the_published_boards_bear_out_what_the_lab_says():
    far, near = small.by_operations(), small.by_software()
    for task in far:
        assert len(far[task]) >= 10 and len(near[task]) >= 10
        assert boards.error(near[task]) < 0.15 < boards.error(far[task])
    low, high = small.spread()
    convolutions = far["keyword spotting"] + far["visual wake words"]
    assert sum(low <= ratio <= high for ratio in convolutions) >= 0.9 * len(convolutions)
    for label, key in small.BOARDS.items():
        assert boards.CLOSEST in small.times()[(*key, "int8")], label
    kinds = {kind for kind, _, _ in small.published()}
    assert kinds == {"microcontrollers", "Raspberry Pi 4", "Jetson Orin"}


# Measured


@pytest.mark.slow
def test_a_small_calibration_finds_what_its_names_say(quiet, monkeypatch):
    monkeypatch.setattr(sessions, "BATCHES", (1, 8))
    keys = tuple((form, width) for form in ONNX_FORMATS for width in (4, 16))
    monkeypatch.setattr(sessions, "KEYS", keys)
    calibration = sessions.calibrate(CPU)
    calibration.check(sessions.KEYS)
    for curve in calibration.curves.values():
        assert curve[0][1] < curve[1][1]
    usual = dict(calibration.curve("fp32", 16))[8]
    timing, speed = sessions.seconds("fp32", 16, 8, beside=(16, 8), reference_seconds=usual, budget=0.1)
    assert timing.median == pytest.approx(calibration.curve("fp32", 16)[1][1], rel=1.0) and speed > 0


def test_forms_are_measured_with_their_intervals(files, unseen):
    for form in small.variants(8, files[0], unseen, budget=0.05):
        assert form.size == files[0][form.form].stat().st_size
        assert form.time.low <= form.time.value <= form.time.high
        assert form.right.low < form.right.value < form.right.high <= 100


def test_executorch_is_optional_and_answers_alike(tmp_path):
    if not executorch.available():
        for refused in (executorch.write(CatNet(4), tmp_path / "cats.pte"),
                        executorch.seconds(tmp_path / "cats.pte")):
            assert not refused and "pip install executorch" in refused.reason
        return
    path = executorch.write(CatNet(4), tmp_path / "cats.pte")
    assert path.stat().st_size > 4 * sum(p.numel() for p in CatNet(4).parameters())
    assert executorch.seconds(path, budget=0.05).median > 0


# Exercises


def test_file_size(capsys):
    right = 24 * 27 + 48 * 216 + 96 * 432 + 3 * 1536 + 4 * (24 + 48 + 96 + 3)
    assert check.file_size(right, 24) is True
    assert check.file_size(4 * right, 24) is False and check.file_size(None, 24) is None
    assert "one byte" in capsys.readouterr().out


def test_faster_from():
    times = small.time(fakes.machine())
    gains = {w: times.predict(batch=1, width=w, **HERE).value
             / times.predict(batch=1, width=w, form="int8 static", device=small.THIS).value for w in small.WIDTHS}
    first = next(w for w in small.WIDTHS if gains[w] > SLACK)
    assert check.faster_from(first, times) is True
    losing = [w for w in small.WIDTHS if gains[w] < 1 / SLACK]
    for wrong in (0, 64, *losing, 10, "16", math.nan, -1):
        assert check.faster_from(wrong, times) is False
    assert check.faster_from(None, times) is None


def test_largest_batch(capsys):
    memory = small.memory(200 * MIB, 30 * MIB)
    right = small.largest(memory, 32, 400 * MIB)
    assert check.largest_batch(right, memory, 32, 400 * MIB) is True
    assert check.largest_batch(2 * right, memory, 32, 400 * MIB) is False
    assert check.largest_batch(0, memory, 32, 100 * MIB) is True
    nothing = Unavailable("Windows has none.")
    assert check.largest_batch(8, small.memory(nothing, nothing), 32, 400 * MIB) is None
    assert "Windows has none." in capsys.readouterr().out


def test_mended(trained, pictures, unseen, capsys):
    good = Quantised.of(trained, pictures.images[:256], bits=8)
    assert check.mended(good, trained, unseen, bits=8) is True
    assert check.mended(good, trained, unseen, bits=2) is False
    assert check.mended(Quantised.of(trained, pictures.images[:256], bits=2), trained, unseen, bits=2) is False
    assert check.mended("a network", trained, unseen, bits=2) is False
    assert check.mended(None, trained, unseen, bits=2) is None
    assert "2 bits a weight" in capsys.readouterr().out


def test_the_jobs_of_the_tests_are_those_of_the_module():
    assert {"cores", "take", "wait", "fail"} <= set(dir(sandbox_jobs))
