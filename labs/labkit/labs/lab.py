"""What a lab is: its number, its notebook, what it calibrates, and the goal for its predictions."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from labkit import data, effort, evidence, expectation, experiment, host, needs, session
from labkit.machine import Machine, this

RUN_MIME = "application/vnd.labkit.run+json"
CHAPTERS = {"1": "1-terminology", "2": "2-training", "3": "3-inference", "4": "4-edge", "5": "5-capstone"}


@dataclass(frozen=True)
class Goal:
    """How far predictions may be off, as fractions: at today's speed of the machine, and by the plain clock.

    Args:
        median, p90: the median and the 90th percentile at today's speed.
        plain_median, plain_p90: the same for the plain prediction, on a quiet machine.
    """

    median: float = 0.15
    p90: float = 0.30
    plain_median: float = 0.15
    plain_p90: float = 0.40


@dataclass(frozen=True)
class Lab:
    """One lab of the course.

    Its folder `labkit.labs.<module>` holds `experiments` (with `validation(machine)`, the points that `labkit validate`
    measures), `expectations`, `checks` and `figures`.

    Args:
        number: chapter and place in it, `"2.2"`.
        title: as in the notebook's heading, behind the number.
        claims: the claims that it tests, by their ids in the curriculum.
        probes: what it calibrates, modules of `labkit.measure.probes`.
        uses: what single sections need, of `labkit.needs.CHECKS`; without it they say so.
        goal: for the errors of its predictions.
        goals: for single experiments, by their titles.
    """

    number: str
    title: str
    claims: tuple[str, ...]
    probes: tuple[str, ...]
    uses: tuple[str, ...] = ()
    goal: Goal = Goal()
    goals: tuple[tuple[str, Goal], ...] = ()

    @property
    def slug(self) -> str:
        """The name of the notebook without its number: `"more-nodes"`."""
        return self.title.split(":")[0].lower().translate({ord(","): None, ord("/"): None, ord(" "): "-"})

    @property
    def module(self) -> str:
        """The name of the lab's folder in `labkit.labs`."""
        return self.slug.replace("-", "_")

    @property
    def notebook(self) -> str:
        """Where the notebook lies, from the root of the repository, without its ending."""
        chapter, place = self.number.split(".")
        return f"labs/{CHAPTERS[chapter]}/{place}-{self.slug}"

    def part(self, name: str) -> ModuleType:
        """Import a module of the lab's folder: `"experiments"`, `"expectations"`, `"checks"` or `"figures"`."""
        return import_module(f"labkit.labs.{self.module}.{name}")

    def goal_of(self, title: str) -> Goal:
        """Return the goal for the experiment with a title."""
        return dict(self.goals).get(title, self.goal)

    def begin(self, level: str = effort.USUAL) -> Machine:
        """Set the effort, calibrate what the lab needs, and return this machine.

        Args:
            level: `"quick"`, `"usual"` or `"long"`; the environment variable `CLUSTER_TO_EDGE_EFFORT` overrules it.

        Raises:
            ValueError: no such level.
        """
        print(effort.begin(level))
        expectation.begin(self.number)
        experiment.begin()
        _kept.close()
        _kept.enter_context(session.KEPT.open())
        machine = _begun[self.number] = this(*self.probes)
        expectation.show(_Start(machine))
        for limit in host.limits():
            print(f"{limit.words} {limit.mend}")
        if left_out := needs.missing(self.uses):
            print(f"Left out here, for want of it: {', '.join(left_out)}. `labkit doctor` says why.")
        return machine

    def end(self) -> None:
        """Show which statements of the lab came out otherwise on this machine, keep the evidence, and end what runs."""
        from labkit.widgets import base, guess

        _kept.close()
        expectation.show_summary()
        if self.number in _begun and not base.in_book():
            print(evidence.keep(evidence.of(self.number, _begun[self.number], self.probes, guess.asked())))


_kept = ExitStack()  # holds open what a lab keeps, from its beginning to its end
_begun: dict[str, Machine] = {}  # the machine that each lab of this process began with, by the lab's number


@dataclass(frozen=True)
class _Start:
    """The machine that a lab runs on, as the notebook shows it and as the book reads it."""

    machine: Machine

    def __str__(self) -> str:
        return str(self.machine)

    def _repr_mimebundle_(self, **_) -> dict:
        return {"text/plain": str(self), RUN_MIME: {"machine": self.machine.name, "note": self.machine.note}}


def labs() -> tuple[Lab, ...]:
    """Return every lab of the course, in order."""
    folder = data.package_folder() / "labs"
    names = sorted(path.parent.name for path in folder.glob("*/__init__.py"))
    return tuple(sorted((import_module(f"labkit.labs.{name}").LAB for name in names), key=lambda lab: lab.number))
