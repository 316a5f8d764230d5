"""The planner as a widget: `labkit.plan` in a page, with no kernel behind it."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import ClassVar

from traitlets import Dict

from labkit.plan import Workload, bill, compose, constants, examples, javascript, written
from labkit.plan.lines import LINES, RULES, TOGETHER
from labkit.plan.workload import Kind, Precision, fields
from labkit.units import quantity
from labkit.widgets.base import LabWidget

_HERE = Path(__file__).parent
_SECTIONS = {"network": "The network", "training": "Training", "inference": "Inference", "edge": "The edge",
             "money": "Accelerator and money"}
# What must not be larger than what: the checks of `labkit.plan.workload` for a page.
_CONSISTENCY = [("active_parameters", 1, "parameters"), ("active_parameters", 2, "operations"),
                ("mean_rate", 1, "peak_rate")]


class Planner(LabWidget):
    """Asks for a workload in units and shows its bill, alternatives, and what moves it.

    Args:
        start: the example that it starts with.
        held: how good its predictions are, a sentence.

    Raises:
        ValueError: no such example.
    """

    script: ClassVar[Path] = _HERE / "planner.js"

    config = Dict().tag(sync=True)

    def __init__(self, start: str = "hospital", held: str = ""):
        if start not in examples():
            raise ValueError(f"There is no example '{start}'. There are {', '.join(examples())}.")
        super().__init__(config={**configuration(), "start": start, "held": held})

    @classmethod
    def _source(cls, last: str) -> str:
        """Return the JavaScript: the formulas, what composes them, and the page."""
        return javascript.source() + (_HERE / "compose.js").read_text("utf-8") + super()._source(last)

    def text(self) -> str:
        """Return the plan that it starts with in a sentence."""
        plan = compose(examples()[self.config["start"]])
        month = plan[bill.TARGET]
        return (f"A plan for a workload in units, with an interval on every line. {plan.workload.name}: "
                f"{quantity(plan['accelerators'].value, 'accelerators')}, {quantity(month.value, 'USD')} a month "
                f"({quantity(month.low, 'USD')} to {quantity(month.high, 'USD')}).")


@cache
def configuration() -> dict:
    """Return all that the page needs and that never changes."""
    names = [field["name"] for field in fields()]
    options = {"kind": list(Kind), "precision": list(Precision), "accelerator": list(constants.accelerators()),
               "device": list(constants.devices())}
    asked = [field | {"default": _plain(field["default"]), "options": _plain(options.get(field["name"]))}
             for field in fields()]
    known = constants.constants()
    return {
        "sections": _SECTIONS,
        "fields": asked,
        "defaults": {field["name"]: field["default"] for field in asked if field["default"] is not None
                     or field["name"] in bill.PRICES},
        "consistency": _CONSISTENCY,
        "target": bill.TARGET, "at_risk": bill.AT_RISK,
        "old": {"says": written.OLD, "figures": [{"name": f"{each.figure} ({each.date})", "from": str(each.old_from)}
                                                 for each in constants.sources() if each.old_from]},
        "cloud": bill.CLOUD, "more_time": bill.MORE_TIME,
        "larger_replica": bill.LARGER_REPLICA, "together": TOGETHER, "month_days": bill.MONTH_DAYS,
        "moving": bill.moving(),
        "world": {
            "constants": {name: [each.case(case) for case in bill.CASES] for name, each in known.items()},
            "accelerators": constants.accelerators(), "devices": constants.devices(), "formats": constants.FORMATS,
            "prices": bill.PRICES, "no_price": bill.NO_PRICE, "no_format": bill.NO_FORMAT,
        },
        "lines": [{
            "name": name, "label": line.label, "unit": line.unit, "part": line.part, "shown": line.shown,
            "when": line.when, "needs": line.needs, "words": line.words, "symbols": bill.symbols(name),
            "choices": bill.choices(name), "kind": bill.kind(name),
            "from": [each for each in names if each in bill.ancestors(name)],
            "moves": bill.moves(name),
            "sources": bill.sources(name),
        } for name, line in LINES.items()],
        "rules": [{"name": name, "stops": rule.stops, "says": rule.says, "checks": rule.checks,
                   "when": rule.when, "needs": rule.needs}
                  for name, rule in RULES.items()],
        "examples": {name: {"title": workload.name, "inputs": inputs(workload)}
                     for name, workload in examples().items()},
    }


def inputs(workload: Workload) -> dict:
    """Return a workload as the page has it: every field by its name."""
    return {field["name"]: _plain(getattr(getattr(workload, field["section"]), field["name"])) for field in fields()}


def _plain(value):
    if isinstance(value, StrEnum):
        return value.value
    return [_plain(each) for each in value] if isinstance(value, list) else value
