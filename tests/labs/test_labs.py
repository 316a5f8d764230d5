"""Every lab reaches its last cell, at quick effort; the book shows the run that was tested.

What came out otherwise than a lab expects is always printed. It fails the test only where the machine was quiet
and kept its speed meanwhile, and the same statement fails again with more effort.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from labkit import effort
from labkit.book import RUNS, runs
from labkit.labs.lab import labs
from labkit.timing import clock

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "_build" / RUNS


def run(lab, level):
    """Run a lab; returns the run, and whether this machine was quiet, then and when it was calibrated."""
    others = clock.Contention()
    done = runs.execute(lab, ROOT, level)
    quiet = others.share() <= clock.CONTENDED and not done.disturbance
    for surprise in done.surprises:
        print(f"\nLab {lab.number}, {level}, {'quiet' if quiet else 'not quiet'}: {surprise}")
    return done, quiet


@pytest.mark.parametrize("lab", labs(), ids=lambda lab: lab.slug)
def test_lab_reaches_its_end(lab, capsys):
    with capsys.disabled():
        first, quiet = run(lab, effort.QUICK)
    runs.keep(first, lab, KEPT)
    assert first.broken is None, f"code cell {first.broken.cell}: {first.broken.summary}\n{first.broken.detail}"
    assert first.findings, "a lab checks what it expects"
    if quiet and first.surprises:
        with capsys.disabled():
            second, quiet = run(lab, effort.USUAL)
        twice = {s.name for s in first.surprises} & {s.name for s in second.surprises}
        assert not (quiet and twice), f"came out otherwise twice on a quiet machine: {', '.join(sorted(twice))}"
