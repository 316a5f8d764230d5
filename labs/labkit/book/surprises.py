"""The page of surprises: which statements of the labs came out otherwise in the runs that this book shows."""

from __future__ import annotations

from collections.abc import Mapping

from labkit.book.runs import Run
from labkit.expectation import HOLDS, SURPRISE, UNTESTED, Finding
from labkit.labs.lab import Lab


def markdown(runs: Mapping[Lab, Run | None]) -> str:
    """Return what the page says of this build, in MyST Markdown: a summary, and each lab's surprises.

    Args:
        runs: every lab with its run, or None where it has not been run yet.
    """
    done = {lab: run for lab, run in runs.items() if run}
    if not done:
        return "No lab of this book has been run yet.\n"
    findings = [finding for run in done.values() for finding in run.findings]
    counted = {state: sum(finding.state == state for finding in findings) for state in (HOLDS, SURPRISE, UNTESTED)}
    machines = sorted({run.machine for run in done.values() if run.machine})
    lines = [f"The labs of this book ran on: {'; '.join(machines)}." if machines else "",
             f"{counted[HOLDS]} of {counted[HOLDS] + counted[SURPRISE]} statements came out as expected"
             f"{_and_untested(counted[UNTESTED])}.", ""]
    for lab, run in done.items():
        if rows := [*map(_line, run.surprises), *_broken(run)]:
            place = f"**Lab {lab.number}, [{lab.title}](/{lab.notebook}.ipynb)**"
            lines += [f"{place}, at {run.level} effort:", "", *rows, ""]
    waiting = [f"{lab.number} {lab.title}" for lab, run in runs.items() if run is None]
    return "\n".join([*lines, f"Not run yet: {', '.join(waiting)}." if waiting else ""])


def _and_untested(count: int) -> str:
    return f"; {count} could not be tested on this machine" if count else ""


def _line(surprise: Finding) -> str:
    return f"- {surprise.statement} *Otherwise:* {surprise.otherwise}"


def _broken(run: Run) -> list[str]:
    return [f"- The lab broke off in its code cell {run.broken.cell}: {run.broken.summary}."] if run.broken else []
