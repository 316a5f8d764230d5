"""A guess that the reader commits to before the measurement runs, and the table that sets it beside the result."""

from __future__ import annotations

import json
import math
import os
import re
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from filelock import FileLock, Timeout
from traitlets import Dict, Float, List, Unicode, observe, validate

from labkit import cache
from labkit.experiment import Outcome, Unavailable
from labkit.units import quantity
from labkit.widgets.base import LabWidget, in_book

_LOCK_S = 5
_asked: dict[str, Guess] = {}  # of this process, by key, as they were last shown


class Guess(LabWidget):
    """Asks for a number and keeps every answer, so that a wrong guess stays visible beside what came out.

    With a kernel the guesses are kept in the cache folder; in the page without one, by the browser.

    Args:
        key: a name for this question, unique in the course: lower-case letters, digits and hyphens.
        question: what the reader guesses.
        unit: of the guess, as in `labkit.units.quantity`.
        low, high: the range in which a guess makes sense.
        step: of the slider; a round number near a hundredth of the range unless given.

    Raises:
        ValueError: a key with other characters, or a range that is none.
    """

    script: ClassVar[Path] = Path(__file__).parent / "guess.js"

    config = Dict().tag(sync=True)
    history = List(help="Every guess, oldest first: value and time (`at`, ISO 8601, UTC).").tag(sync=True)
    value = Float(None, allow_none=True, help="The latest guess; None before the first.").tag(sync=True)
    message = Unicode(help="Why a guess could not be kept.").tag(sync=True)

    def __init__(self, key: str, question: str, unit: str, low: float, high: float, step: float | None = None):
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key):
            raise ValueError(f"The key {key!r} must be made of lower-case letters, digits and hyphens.")
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"A guess needs a range from low to high, not from {low} to {high}.")
        if step is None:
            step = 10.0 ** math.floor(math.log10((high - low) / 50))
        if not 0 < step <= high - low:
            raise ValueError(f"The step {step} does not fit into the range from {low} to {high}.")
        self.key, self.question, self.unit, self._range = key, question, unit, (low, high)
        config = {"key": key, "question": question, "unit": unit, "low": low, "high": high, "step": step}
        history, message = ([], "") if in_book() else _recall(self._file, self._is_guess)
        self._saved = history
        super().__init__(config=config, history=history, message=message)
        _asked[key] = self

    @property
    def _file(self) -> Path:
        return cache.folder("guesses") / f"{self.key}.json"

    def commit(self, value: float) -> None:
        """Add a guess from Python instead of the screen; raises `ValueError` outside the range."""
        low, high = self._range
        if not isinstance(value, (int, float)) or not low <= value <= high:
            span = f"{quantity(low, self.unit)} to {quantity(high, self.unit)}"
            raise ValueError(f"A guess must be a number from {span}, not {value!r}.")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.history = [*self.history, {"value": value, "at": now}]

    def _is_guess(self, entry: Any) -> bool:
        """Whether something from a file or a browser is a guess at this question."""
        if not isinstance(entry, dict) or set(entry) != {"value", "at"} or not isinstance(entry["at"], str):
            return False
        low, high = self._range
        return isinstance(entry["value"], (int, float)) and low <= entry["value"] <= high

    @validate("history")
    def _check_history(self, proposal) -> list[dict]:
        if not all(map(self._is_guess, proposal["value"])):
            raise ValueError(f"That is not a list of guesses from {self._range[0]} to {self._range[1]}.")
        return proposal["value"]

    @observe("history")
    def _keep(self, change) -> None:
        self.value = float(self.history[-1]["value"]) if self.history else None
        if self.history != self._saved and not in_book():
            self._saved = self.history
            self.message = _remember(self._file, self.history, self._is_guess)

    def text(self) -> str:
        """Return the question."""
        return f"Your guess: {self.question}"


def asked() -> dict[str, dict]:
    """Return the guesses of this process by key: the question, its unit, and every guess with its time."""
    return {key: {"question": guess.question, "unit": guess.unit, "history": list(guess.history)}
            for key, guess in _asked.items()}


def _recall(file: Path, is_guess) -> tuple[list[dict], str]:
    """Return the guesses in `file` and, where it is damaged, a sentence that says where it now lies."""
    try:
        history = json.loads(file.read_text("utf-8"))
        if not isinstance(history, list) or not all(map(is_guess, history)):
            raise ValueError("something in it is no guess at this question")
        return history, ""
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        return [], f"Your earlier guesses could not be read ({error})."
    except ValueError as error:
        aside = file.with_name(f"{file.stem}.damaged-{datetime.now():%Y%m%d-%H%M%S}.json")
        try:
            os.replace(file, aside)
        except OSError:
            aside = file
        return [], f"The file of your earlier guesses is damaged ({error}); it now lies at {aside}."


def _remember(file: Path, history: list[dict], is_guess) -> str:
    """Write the guesses, with those that another notebook has added since; return what went wrong, or nothing."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{file}.lock", timeout=_LOCK_S):
            kept, message = _recall(file, is_guess)
            every = {(entry["at"], entry["value"]): entry for entry in [*kept, *history]}
            content = json.dumps([every[key] for key in sorted(every)], indent=1)
            cache.write_atomically(file, content.encode())
        return message
    except (OSError, Timeout) as error:
        message = f"Your guess counts, but it could not be saved for the next time ({error})."
        warnings.warn(message, stacklevel=2)
        return message


Side = Outcome | Unavailable | None
BesideRow = tuple[str, Guess, Side, Side]


class Beside(LabWidget):
    """Sets guesses beside the model and the machine: `Beside(guess, predicted, measured)`, or a list of rows.

    Args:
        rows: a guess, or rows of a label, its guess, the prediction and the measurement.
        predicted: what the model said, where one guess is given.
        measured: what the machine did, where one guess is given.

    Raises:
        ValueError: no rows, or an outcome in another unit than the guess.
    """

    script: ClassVar[Path] = Path(__file__).parent / "beside.js"

    config = Dict().tag(sync=True)
    guesses = Dict(help="The latest guess by key.").tag(sync=True)

    def __init__(self, rows: Guess | Sequence[BesideRow], predicted: Side = None, measured: Side = None):
        if isinstance(rows, Guess):
            rows = [(rows.question, rows, predicted, measured)]
        if not rows:
            raise ValueError("Beside needs at least one row: a label, a guess, a prediction and a measurement.")
        for label, guess, *outcomes in rows:
            for outcome in filter(None, outcomes):
                if outcome.unit != guess.unit:
                    raise ValueError(f"'{label}' is guessed in {guess.unit!r}, but came out in {outcome.unit!r}.")
        self._guesses = {guess.key: guess for _, guess, _, _ in rows}
        cells = [
            {
                "label": label,
                "key": guess.key,
                "unit": guess.unit,
                "predicted": _side(predicted),
                "measured": _side(measured),
            }
            for label, guess, predicted, measured in rows
        ]
        super().__init__(config={"rows": cells}, guesses=self._latest())
        for guess in self._guesses.values():
            guess.observe(self._follow, "value")

    def _latest(self) -> dict:
        return {key: guess.value for key, guess in self._guesses.items()}

    def _follow(self, change) -> None:
        self.guesses = self._latest()

    def text(self) -> str:
        """Return the table as one line a row."""

        def words(side: dict | None, unit: str) -> str:
            return (side["reason"] or quantity(side["value"], unit)) if side else "nothing"

        lines = []
        for row in self.config["rows"]:
            guess = self.guesses.get(row["key"])
            guessed = "no guess yet" if guess is None else f"your guess: {quantity(guess, row['unit'])}"
            model, machine = words(row["predicted"], row["unit"]), words(row["measured"], row["unit"])
            lines.append(f"{row['label']}: {guessed}; the model: {model}; measured: {machine}".rstrip(".") + ".")
        return "\n".join(lines)


def _side(outcome: Side) -> dict | None:
    if outcome is None:
        return None
    if not outcome:
        return {"value": None, "low": None, "high": None, "reason": outcome.reason}
    return {"value": outcome.value, "low": outcome.low, "high": outcome.high, "reason": ""}
