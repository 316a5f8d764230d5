"""One page from the evidence of a class: everybody's guesses, predictions, measurements, machines and surprises."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from html import escape
from pathlib import Path
from statistics import median

from labkit.evidence import Evidence
from labkit.grading.submission import opened, submissions
from labkit.units import percent, quantity

_POINTS = 8  # of an experiment that are shown, of those that most machines measured


def gathered(folder: Path) -> dict[str, dict[str, Evidence]]:
    """Return the evidence in a folder of submissions: by lab, then by the submission's name."""
    by_lab = defaultdict(dict)
    for path in submissions(folder):
        with opened(path) as (handed_in, _):
            for lab, found in handed_in.labs.items():
                by_lab[lab][handed_in.name] = found
    return dict(sorted(by_lab.items()))


def page(by_lab: Mapping[str, Mapping[str, Evidence]], names: bool = False) -> str:
    """Return the page.

    Args:
        by_lab: from `gathered`.
        names: whether to show the submissions' names; letters stand for them otherwise.
    """
    everyone = sorted({name for found in by_lab.values() for name in found})
    called = {name: name if names else _letters(place) for place, name in enumerate(everyone)}
    lines = [f"<h1>What the class found</h1><p>{len(everyone)} students or pairs, {len(by_lab)} labs.</p>"]
    for lab, found in by_lab.items():
        found = {called[name]: evidence for name, evidence in found.items()}
        lines += [f"<h2>Lab {escape(lab)}</h2>", _machines(found), _surprises(found), _guesses(found),
                  *_experiments(found)]
    style = ("body{font:16px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
             "table{border-collapse:collapse}td,th{padding:.2em .7em;text-align:left;border-bottom:1px solid #ccc}")
    return (f'<!doctype html><html lang="en"><meta charset="utf-8"><title>What the class found</title>'
            f"<style>{style}</style>\n" + "\n".join(filter(None, lines)) + "\n</html>\n")


def _machines(found: Mapping[str, Evidence]) -> str:
    return _table("Machines", ("", "machine", "effort", "measured points", "median error"), [
        (who, evidence.machine.name, evidence.effort, len(evidence.measured()), _median_error(evidence))
        for who, evidence in found.items()])


def _surprises(found: Mapping[str, Evidence]) -> str:
    states = {who: {finding["name"]: finding for finding in evidence.findings} for who, evidence in found.items()}
    counted = Counter(name for findings in states.values() for name, finding in findings.items()
                      if finding["state"] == "surprise")
    return _table("Surprises", ("statement", *found), [
        (next(finding["statement"] for findings in states.values() for key, finding in findings.items()
              if key == name and finding["state"] == "surprise"),
         *(states[who][name]["state"] if name in states[who] else "" for who in found))
        for name, _ in counted.most_common()])


def _guesses(found: Mapping[str, Evidence]) -> str:
    asked = {key: guess for evidence in found.values() for key, guess in evidence.guesses.items()}
    return _table("First guesses", ("question", *found), [
        (guess["question"], *(_first(evidence.guesses.get(key)) for evidence in found.values()))
        for key, guess in asked.items()])


def _experiments(found: Mapping[str, Evidence]) -> list[str]:
    by_point = defaultdict(dict)
    for who, evidence in found.items():
        for point in evidence.measured():
            by_point[point["experiment"], _words(point["point"])][who] = point
    tables = []
    for title in dict.fromkeys(title for title, _ in by_point):
        rows = sorted(((words, cells) for (name, words), cells in by_point.items() if name == title),
                      key=lambda row: -len(row[1]))[:_POINTS]
        tables.append(_table(f"{title}: predicted, then measured", ("point", *found), [
            (words, *(_both(cells[who]) if who in cells else "" for who in found)) for words, cells in rows]))
    return tables


def _both(point: dict) -> str:
    predicted = quantity(point["predicted"]["value"], point["unit"]) if "value" in point["predicted"] else "none"
    return f"{predicted}, {quantity(point['measured']['value'], point['unit'])}"


def _first(guess: dict | None) -> str:
    return quantity(guess["history"][0]["value"], guess["unit"]) if guess and guess["history"] else ""


def _median_error(evidence: Evidence) -> str:
    errors = [abs(point["predicted"]["value"] / point["measured"]["value"] - 1) for point in evidence.measured()
              if "value" in point["predicted"] and point["measured"]["value"]]
    return percent(median(errors)) if errors else ""


def _table(title: str, heading: tuple, rows: list[tuple]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th>{escape(str(cell))}" for cell in heading)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in row) + "</tr>" for row in rows)
    return f"<h3>{escape(title)}</h3><table><tr>{head}</tr>{body}</table>"


def _words(point: Mapping) -> str:
    return ", ".join(f"{name} {value:,}" if isinstance(value, (int, float)) else f"{value}"
                     for name, value in point.items())


def _letters(place: int) -> str:
    return (_letters(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)
