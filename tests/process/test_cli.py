"""The command `labkit` as a shell runs it, and what importing the package costs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from quiet_machine import quiet_machine

from labkit.data import data_folder

TABLE = data_folder() / "published" / "training-scaling.csv"


@pytest.mark.parametrize("arguments", [
    ("validate", "--published", str(TABLE)), ("doctor",), ("plan", "--example", "assistant")], ids=lambda each: each[0])
def test_a_reader_who_has_seen_enough_is_no_error(arguments):
    """As in `labkit validate --published FILE | head -1`."""
    process = subprocess.Popen([sys.executable, "-m", "labkit", *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(60) == 0


@quiet_machine
def test_importing_is_quick_and_brings_nothing_heavy():
    heavy = ("torch", "numpy", "matplotlib", "ipywidgets")
    light = "labkit labkit.experiment labkit.predict.step labkit.predict.operators labkit.predict.seeds labkit.stats"
    script = f"""
import sys, time
begin = time.perf_counter()
import labkit
seconds = time.perf_counter() - begin
for name in {light.split()!r}:
    __import__(name)
    assert not [m for m in {heavy!r} if m in sys.modules], name
__import__("labkit.machine")
assert "torch" not in sys.modules, "labkit.machine"
print(seconds)
"""
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [subprocess.run([sys.executable, "-c", script], env=path, capture_output=True, text=True, timeout=60)
            for _ in range(5)]
    assert not any(run.returncode for run in runs), runs[0].stderr
    assert min(float(run.stdout) for run in runs) <= 0.3
