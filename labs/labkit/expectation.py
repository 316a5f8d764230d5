"""What a lab expects of a measurement: a sentence that may come out otherwise on another machine.

An `Expectation` that holds is one line in the page. One that does not is a *surprise*: the page shows what was
expected, what came out, and the likely reasons, and the lab goes on. An `assert` is for what is true everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from numbers import Real

from labkit.experiment import Comparison, Outcome, Unavailable

MIME = "application/vnd.labkit.finding+json"
HOLDS, SURPRISE, UNTESTED = "holds", "surprise", "untested"
_STYLE = {HOLDS: ("#0072B2", "As expected"), SURPRISE: ("#D55E00", "A surprise"),
          UNTESTED: ("#787878", "Not tested here")}


@dataclass(frozen=True)
class Finding:
    """How one statement of a lab came out on this machine.

    Args:
        lab: the lab's number.
        name: of the expectation, unique within the lab.
        state: `HOLDS`, `SURPRISE` or `UNTESTED`.
        statement: what was expected, with the numbers of this run.
        otherwise: for a surprise, what it means on such a machine; for what was not tested, why.
    """

    lab: str
    name: str
    state: str
    statement: str
    otherwise: str = ""

    def __str__(self) -> str:
        text = f"{_STYLE[self.state][1]}: {self.statement}"
        return text if self.state == HOLDS else f"{text} {self.otherwise}"

    def html(self) -> str:
        """Return the line, or the box of a surprise, for a page."""
        colour, word = _STYLE[self.state]
        more = "" if self.state == HOLDS else f"<br>{escape(self.otherwise)}"
        return (f'<div class="labkit-finding" role="note" style="border-left: 3px solid {colour}; '
                f'padding: 0.1em 0.8em; margin: 0.4em 0"><strong>{word}.</strong> {escape(self.statement)}{more}</div>')

    def _repr_mimebundle_(self, **_) -> dict:
        fields = {"lab": self.lab, "name": self.name, "state": self.state, "statement": self.statement,
                  "otherwise": self.otherwise}
        return {"text/plain": str(self), "text/html": self.html(), MIME: fields}


@dataclass(frozen=True)
class Expectation:
    """A statement about measurements that this lab expects to hold.

    Args:
        name: identifies it within its lab: letters, digits and hyphens.
        statement: a sentence for the reader; `{name}` or `{name:.2f}` stands for a value that `check` is given.
        otherwise: what it means where the statement does not hold, and the likely reasons on such a machine.
        holds: whether the values, one keyword each, are as expected; gets plain numbers: the value of an outcome, the
            median error of a comparison at today's speed.
    """

    name: str
    statement: str
    otherwise: str
    holds: Callable[..., bool]

    def judge(self, **values) -> Finding:
        """Return how the statement came out.

        It is left untested by a value that is None, not finite, `Unavailable`, or a comparison of nothing.
        """
        plain = {name: _plain(value) for name, value in values.items()}
        reasons = [value.reason if isinstance(value, Unavailable) else "This run has no value for it."
                   for value in plain.values() if _missing(value)]
        if reasons:
            return Finding(_lab, self.name, UNTESTED, _blank(self.statement, values), reasons[0])
        try:
            state = HOLDS if self.holds(**plain) else SURPRISE
        except ZeroDivisionError:
            return Finding(_lab, self.name, UNTESTED, _blank(self.statement, values), "A measured value is zero.")
        return Finding(_lab, self.name, state, _written(self.statement, plain),
                       _written(self.otherwise, plain) if state == SURPRISE else "")

    def check(self, **values) -> None:
        """Judge the statement, show how it came out, and keep it for the list at the lab's end."""
        finding = self.judge(**values)
        _findings[finding.name] = finding
        show(finding)


def _plain(value):
    if isinstance(value, Comparison):
        return value.median_error if value.errors else Unavailable(str(value))
    return value.value if isinstance(value, Outcome) else value


def _missing(value) -> bool:
    return value is None or isinstance(value, Unavailable) or (isinstance(value, Real) and not math.isfinite(value))


class _Gap:
    def __format__(self, spec: str) -> str:
        return "…"


def _written(sentence: str, values: dict) -> str:
    """Return a sentence with its values; percentages have a space, as `units.percent` writes them."""
    return re.sub(r"(?<=\d)%", " %", sentence.format(**values))


def _blank(statement: str, values: dict) -> str:
    return _written(statement, dict.fromkeys(values, _Gap()))


_lab = ""
_findings: dict[str, Finding] = {}


def begin(lab: str) -> None:
    """Start the list of a lab's findings anew."""
    global _lab
    _lab = lab
    _findings.clear()


def findings() -> tuple[Finding, ...]:
    """Return what came out so far in this lab; a statement that was checked again counts once, as it came out last."""
    return tuple(_findings.values())


def show_summary() -> None:
    """Show how many statements held, and every surprise again in a line."""
    counted = {state: [f for f in findings() if f.state == state] for state in (HOLDS, SURPRISE, UNTESTED)}
    tested = len(counted[HOLDS]) + len(counted[SURPRISE])
    print(f"{len(counted[HOLDS])} of {tested} statements came out as expected on this machine."
          + (f" {len(counted[UNTESTED])} could not be tested here." if counted[UNTESTED] else ""))
    for surprise in counted[SURPRISE]:
        print(f"  Otherwise: {surprise.statement}")


def show(what: object) -> None:
    """Display an object in a notebook, print it elsewhere."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        print(what)
        return
    if get_ipython() is None:
        print(what)
    else:
        display(what)
