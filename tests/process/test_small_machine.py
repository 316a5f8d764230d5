"""Lab 4.1 for real: a limit that holds, a process that is always ended, files in fewer bits that still know a cat."""

from __future__ import annotations

import math
import os
import platform
import signal
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import cpuinfo
import fakes
import numpy as np
import onnx
import psutil
import pytest
import sandbox_jobs
import torch
from another_python import another_python
from quiet_machine import quiet_machine
from torch import nn

from labkit import device as devices
from labkit.labs.a_smaller_machine import checks as check
from labkit.labs.a_smaller_machine import experiments as small
from labkit.measure import limited_jobs, limits
from labkit.measure.probes import sessions
from labkit.models.datasets import cats
from labkit.models.evaluation import evaluate
from labkit.models.networks.cats import CatNet, as_input
from labkit.models.networks.quantised import Quantised, affine
from labkit.models.training import train
from labkit.predict import small_machine as predicted
from labkit.processes import HelperFailed
from labkit.runtimes import executorch, onnx_export, onnx_session
from labkit.specs.execution import ONNX_FORMATS
from labkit.units import quantity

MIB = 2**20
CPU = torch.device("cpu")
HERE = {"dtype": "fp32", "device": small.THIS}
linux = pytest.mark.skipif(not limits.backend(), reason=getattr(limits.backend(), "reason", ""))


@pytest.fixture(scope="module")
def trained(lesson):
    return lesson[0]


@pytest.fixture(scope="module")
def files(trained, pictures, tmp_path_factory):
    aware = Quantised.of(trained, pictures.images[:256])
    with devices.threads(1):
        train(aware, pictures.images, pictures.labels, epochs=1, lr=1e-3, device=CPU)
    folder = tmp_path_factory.mktemp("files")
    return onnx_export.every_format(trained, folder, pictures.images[:256].numpy(), aware), aware


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


@pytest.mark.parametrize("dtype", [*ONNX_FORMATS, onnx_export.TRAINED])
def test_every_format_knows_a_cat_as_well(dtype, files, trained, unseen):
    before, tolerance = evaluate(trained, unseen).accuracy, 0.04 if dtype == onnx_export.TRAINED else 0.02
    answers = onnx_session.Network(files[0][dtype]).answers(unseen.images.numpy())
    assert before > 0.9
    assert (answers == unseen.truth.numpy()).mean() == pytest.approx(before, abs=tolerance)


def cuts_off_sums() -> bool:
    """Whether this processor adds pairs of products in 16 bits, as x86 does without VNNI instructions.

    Source: ONNX Runtime's documentation, *Quantize ONNX models*, on `reduce_range`.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    return not any("vnni" in flag for flag in cpuinfo.get_cpu_info().get("flags", ()))


def test_the_trained_file_computes_what_the_training_felt(files, unseen):
    """Rounding in PyTorch and whole numbers in ONNX Runtime agree, but for sums that end between two levels."""
    paths, aware = files
    with torch.no_grad():
        felt = aware.eval()(as_input(unseen.images)).numpy()
    real = onnx_session.Network(paths[onnx_export.TRAINED])(onnx_session.as_input(unseen.images.numpy()))
    agreed = (felt.argmax(1) == real.argmax(1)).mean()
    if cuts_off_sums():
        assert agreed > 0.9
        return
    step = affine(*aware.ranges[-1].tolist())[0]
    assert np.quantile(np.abs(felt - real), 0.99) <= 3 * step
    assert agreed > 0.98


@quiet_machine
def test_where_time_goes_is_where_the_time_of_a_run_goes(tmp_path):
    """Of networks that have learned nothing, which take as long."""
    paths = onnx_export.every_format(CatNet(8), tmp_path, cats.draw(64).images.numpy())
    for dtype in ONNX_FORMATS:
        spent = onnx_session.where_time_goes(paths[dtype], batch=64, runs=10)
        whole = median(onnx_session.Network(paths[dtype]).sampler(64)() for _ in range(9))
        assert list(spent.values()) == sorted(spent.values(), reverse=True)
        assert whole / 4 < sum(spent.values()) < whole * 4
        assert any("Conv" in name for name in list(spent)[:2])


def test_nothing_is_left_of_a_record(files, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    onnx_session.where_time_goes(files[0]["fp32"], runs=2)
    assert not list(tmp_path.iterdir())


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


def test_training_with_few_bits_mends_what_they_broke(trained, pictures, unseen):
    few = Quantised.of(trained, pictures.images[:256], bits=2)
    broken = evaluate(few, unseen).accuracy
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    with devices.threads(1):
        train(few, pictures.images, pictures.labels, epochs=2, lr=1e-3, device=CPU)
    assert evaluate(trained, unseen).accuracy - broken > 0.05
    assert evaluate(few, unseen).accuracy > broken + 0.05
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())


@pytest.fixture(params=["the best", "address space"])
def backend(request, monkeypatch):
    """Run with the best limit that there is, and with the one that is left without control groups."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    if request.param == "address space":
        monkeypatch.setattr(limits, "_place", lambda: None)
    yield limits.backend()
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
    parent = another_python(CONFINE, CONFINED_PID=str(told))
    try:
        limit = time.monotonic() + 30
        while not told.exists() or not told.read_text():
            assert time.monotonic() < limit and parent.poll() is None
            time.sleep(0.05)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.communicate()
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


@pytest.mark.slow
@quiet_machine
def test_a_small_calibration_finds_what_its_names_say(quiet, monkeypatch):
    monkeypatch.setattr(sessions, "BATCHES", (1, 8))
    keys = tuple((dtype, width) for dtype in ONNX_FORMATS for width in (4, 16))
    monkeypatch.setattr(sessions, "KEYS", keys)
    calibration = sessions.calibrate(CPU)
    calibration.check(sessions.KEYS)
    for curve in calibration.curves.values():
        assert curve[0][1] < curve[1][1]
    usual = dict(calibration.curve("fp32", 16))[8]
    timing, speed = sessions.seconds("fp32", 16, 8, beside=(16, 8), reference_seconds=usual, budget=0.1)
    assert timing.median == pytest.approx(calibration.curve("fp32", 16)[1][1], rel=1.0) and speed > 0


def test_forms_are_measured_with_their_intervals(files, unseen):
    for variant in small.variants(8, files[0], unseen, budget=0.05):
        assert variant.size == files[0][variant.dtype].stat().st_size
        assert variant.time.low <= variant.time.value <= variant.time.high
        assert variant.right.low < variant.right.value < variant.right.high <= 100


def test_executorch_is_optional_and_answers_alike(tmp_path):
    if not executorch.available():
        for refused in (executorch.write(CatNet(4), tmp_path / "cats.pte"),
                        executorch.seconds(tmp_path / "cats.pte")):
            assert not refused and "pip install executorch" in refused.reason
        return
    path = executorch.write(CatNet(4), tmp_path / "cats.pte")
    assert path.stat().st_size > 4 * sum(p.numel() for p in CatNet(4).parameters())
    assert executorch.seconds(path, budget=0.05).median > 0


def test_mended(trained, pictures, unseen):
    good = Quantised.of(trained, pictures.images[:256], bits=8)
    assert check.mended(good, trained, unseen, bits=8).ok is True
    assert check.mended(good, trained, unseen, bits=2).ok is False
    damaged = check.mended(Quantised.of(trained, pictures.images[:256], bits=2), trained, unseen, bits=2)
    assert damaged.ok is False and "2 bits a weight" in damaged.found
    assert check.mended("a network", trained, unseen, bits=2).ok is False
    assert check.mended(None, trained, unseen, bits=2).ok is None


def test_the_jobs_of_the_tests_are_those_of_the_module():
    assert {"cores", "take", "wait", "fail"} <= set(dir(sandbox_jobs))
