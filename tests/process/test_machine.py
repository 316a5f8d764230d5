"""The profile of this machine among several processes: one measures, the others wait for it, and nobody is blocked."""

from __future__ import annotations

import time
import warnings
from contextlib import ExitStack, contextmanager

import pytest
from another_python import another_python
from quiet_machine import quiet_machine

from labkit import machine
from labkit.labs.cats import experiments as step

MEASURE = """
import pathlib, sys, time
from importlib import import_module
import fakes
from labkit import machine
_, enough, probe, *again = sys.argv
module = import_module(f"labkit.measure.probes.{probe}")
def calibrate(device):
    print("start")
    while not pathlib.Path(enough).exists():
        time.sleep(0.02)
    return fakes.machine().calibration(probe)
module.calibrate = calibrate
print("date", machine.this(probe, again=bool(again)).calibration(probe).date)
"""


@contextmanager
def measuring(*arguments, output):
    """A process that measures with one probe, once nobody else does, until the file `enough` is there."""
    with output.open("w") as file, another_python(MEASURE, *arguments, stdout=file) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(words, outputs, processes, times=1):
    """Wait until some outputs have said some words so many times, all together."""
    limit = time.monotonic() + 60
    while sum(output.read_text("utf-8").count(words) for output in outputs) < times:
        assert time.monotonic() < limit and not any(process.poll() for process in processes)
        time.sleep(0.02)


def test_of_four_processes_one_measures_at_a_time_and_nothing_is_lost_or_measured_twice(probes, tmp_path):
    machine.this("loopback")
    enough = tmp_path / "enough"
    asks = (("products",), ("products",), ("memory",), ("storage", "again"))
    outputs = [tmp_path / f"{place}.txt" for place in range(len(asks))]
    with ExitStack() as stack:
        processes = [stack.enter_context(measuring(enough, *ask, output=output))
                     for ask, output in zip(asks, outputs, strict=True)]
        wait_for("Another notebook is calibrating", outputs, processes, times=3)
        assert sum("start" in output.read_text("utf-8") for output in outputs) == 1
        enough.touch()
        errors = [process.communicate(timeout=60)[1] for process in processes]
    lines = [output.read_text("utf-8").splitlines() for output in outputs]
    assert ["start" in said for said in lines].count(True) == 3, errors
    assert sorted("start" in said for said in lines[:2]) == [False, True] and lines[0][-1] == lines[1][-1]
    machine._known = None  # as in a new process
    found = machine.this("products", "memory", "storage")
    assert found.calibrations.keys() == {"loopback", "products", "memory", "storage"}
    assert [said[-1] for said in lines] == [f"date {found.calibration(ask[0]).date}" for ask in asks]
    assert probes == ["loopback"]


def test_whoever_waits_too_long_goes_on_with_a_word_and_a_killed_process_blocks_nobody(probes, tmp_path, monkeypatch,
                                                                                     capsys):
    monkeypatch.setattr(machine, "_PATIENCE", 0.2)
    output = tmp_path / "other.txt"
    with measuring(tmp_path / "never", "products", output=output) as process:
        wait_for("start", [output], [process])
        with pytest.warns(UserWarning, match="not waiting any longer"):
            assert machine.this("products").calibrated
        assert "Another notebook is calibrating" in capsys.readouterr().out
    monkeypatch.setattr(machine, "_PATIENCE", 180)
    begin = time.monotonic()
    assert machine.this("memory").calibrated
    assert time.monotonic() - begin < 20
    assert probes == ["products", "memory"]


@quiet_machine
def test_a_real_calibration_predicts_times_that_grow(quiet, tmp_path, monkeypatch):
    monkeypatch.setenv("CLUSTER_TO_EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(machine, "_known", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a busy machine may be told so
        real = machine.this("operators", again=True)
    (profile,) = (tmp_path / "machines").glob("*.json")
    assert machine.load(profile) == real
    experiment = step.time(real)
    for mode in experiment.axis("mode").values:
        for width in step.WIDTHS:
            point = {"width": width, "mode": mode, "where": step.THIS}
            times = {batch: experiment.predict(batch=batch, **point).value for batch in step.BATCHES}
            assert min(times.values()) > 0
            assert times[256] < times[512] < times[1024]
