"""Every notebook runs under nbval, as somebody's own CI would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from labkit import effort
from labkit.labs.lab import labs

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.slug)
def test_nbval_runs_every_cell(lab):
    command = [sys.executable, "-m", "pytest", "-p", "nbval", "--nbval-lax", "--nbval-cell-timeout=600",
               "-p", "no:cacheprovider", f"{lab.notebook}.ipynb"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, effort.VARIABLE: effort.QUICK}, capture_output=True,
                          text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
