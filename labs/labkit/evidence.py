"""The evidence of a lab: a file of what one run found on one machine, to which answers can be held.

A grader never measures again and never grades a speed: it holds a student's answers to the student's own evidence. The
digest of a file says whether it is as the lab wrote it. It is no signature, and `doubts` are questions, not verdicts.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import labkit
from labkit import cache, catalogue, effort, expectation, experiment
from labkit.experiment import Outcome, Unavailable
from labkit.machine import DamagedProfile, Machine, as_json, digest, from_json
from labkit.specs.calibration import best_rate, now
from labkit.units import quantity

VERSION = 1  # raise it when the fields change: graders refuse other versions
ENDING = ".evidence.json"
_PACKAGES = ("torch", "numpy", "onnxruntime")
_ENOUGH = 4  # measurements from which "none of them has a spread" means something
_SAME = 1e-9  # as a fraction: no clock agrees with a prediction so well
_MARGIN = 1.5  # times the highest rate in the catalogue: more, no machine has


class Unusable(ValueError):
    """A file that is no evidence, or that of another version; the message says which."""


@dataclass(frozen=True)
class Evidence:
    """What one run of a lab found.

    Args:
        lab: the lab's number, `"1.1"`.
        date: when the lab ended, ISO 8601.
        effort: with which it ran, of `labkit.effort.LEVELS`.
        machine: the calibrated machine, with the calibrations that the lab uses.
        machine_digest: of the machine's identity.
        points: of each comparison in order: the experiment, its unit, the point, and both outcomes or why they lack.
        findings: how each statement of the lab came out, as `labkit.expectation.Finding` has it.
        guesses: by key: the question, its unit and every guess, oldest first.
        versions: of labkit, Python and the packages that matter.
    """

    lab: str
    date: str
    effort: str
    machine: Machine
    machine_digest: str
    points: tuple[dict, ...]
    findings: tuple[dict, ...]
    guesses: dict[str, dict]
    versions: dict[str, str | None]

    @property
    def surprises(self) -> list[str]:
        """The statements that came out otherwise."""
        return [finding["statement"] for finding in self.findings if finding["state"] == expectation.SURPRISE]

    @property
    def digest(self) -> str:
        """The digest of all fields."""
        return _digest(_fields(self))

    def measured(self) -> list[dict]:
        """Return the points that were measured."""
        return [point for point in self.points if "value" in point["measured"]]


def of(lab: str, machine: Machine, probes: tuple[str, ...], guesses: dict[str, dict]) -> Evidence:
    """Return the evidence of the run of a lab that ends now in this process."""
    kept = {name: machine.calibrations[name] for name in probes if name in machine.calibrations}
    points = [{"experiment": comparison.experiment.title, "unit": comparison.experiment.unit, "point": dict(row.point),
               "predicted": _outcome(row.predicted), "measured": _outcome(row.measured)}
              for comparison in experiment.comparisons() for row in comparison.rows]
    findings = [{"name": finding.name, "state": finding.state, "statement": finding.statement}
                for finding in expectation.findings()]
    versions = {"labkit": str(labkit.EDITION), "python": platform.python_version(),
                **{name: _version(name) for name in _PACKAGES}}
    content = {"lab": lab, "date": now(), "effort": effort.current(), "machine_digest": digest(machine),
               "machine": as_json(Machine(**{**vars(machine), "calibrations": kept})), "points": points,
               "findings": findings, "guesses": guesses, "versions": versions}
    return _evidence(json.loads(json.dumps(content)))


def keep(evidence: Evidence, folder: Path | None = None) -> str:
    """Write the evidence of a lab into a folder, the cache unless given; return the line that says so."""
    path = (cache.folder("evidence") if folder is None else folder) / f"lab-{evidence.lab}{ENDING}"
    fields = _fields(evidence)
    try:
        cache.write_atomically(path, json.dumps({"version": VERSION, "digest": _digest(fields), **fields}).encode())
    except OSError as trouble:
        return f"The evidence of this run could not be kept ({trouble.strerror}): an assignment will lack it."
    return "The evidence of this run is kept; `labkit evidence` puts it into the folder that you are in."


def kept() -> list[Path]:
    """Return the files of evidence in the cache, one a lab."""
    return sorted(cache.folder("evidence").glob(f"lab-*{ENDING}"))


def read(path: Path) -> tuple[Evidence, list[str]]:
    """Return the evidence in a file, and what a teacher should ask about it.

    Raises:
        Unusable: it is no evidence, is damaged, or is of another version.
        OSError: it cannot be read.
    """
    try:
        content = json.loads(Path(path).read_bytes())
        version, written = content.pop("version"), content.pop("digest")
        if version != VERSION:
            raise Unusable("it was written by another version of labkit")
        evidence = _evidence(content)
        changed = [] if written == _digest(content) else ["The file was changed after the lab wrote it."]
        return evidence, changed + doubts(evidence)
    except DamagedProfile as trouble:
        raise Unusable(str(trouble)) from trouble
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as trouble:
        if isinstance(trouble, Unusable):
            raise
        raise Unusable(f"it is damaged ({type(trouble).__name__})") from trouble


def doubts(evidence: Evidence) -> list[str]:
    """Return what no machine does, a sentence each, of an evidence whose file is whole."""
    said = []
    if evidence.machine_digest != digest(evidence.machine):
        said.append("The profile is not of the machine on which the lab ran.")
    if datetime.fromisoformat(evidence.date).astimezone(UTC) > datetime.now(UTC):
        said.append("The run ended in the future.")
    measured = [point for point in evidence.measured() if point["unit"] == "s" or point["unit"].endswith("/s")]
    if len(measured) >= _ENOUGH and all(point["measured"]["low"] == point["measured"]["high"] for point in measured):
        said.append(f"None of its {len(measured)} measurements has a spread.")
    exact = [point for point in measured if _equal(point["predicted"], point["measured"])]
    if exact:
        said.append(f"{len(exact)} of {len(measured)} measurements equal their prediction to the last digit.")
    return said + _impossible(evidence.machine)


def _impossible(machine: Machine) -> list[str]:
    """Return the rates of a profile that exceed what any machine in the catalogue is said to reach."""
    if "products" not in machine.calibrations:
        return []
    most = _MARGIN * max(rate for known in catalogue.machines().values() for rate in known.formats.values())
    rates = {name: best_rate(curve) for name, curve in machine.calibrations["products"].group().items()}
    return [f"{name} products at {quantity(rate, 'FLOP/s')} are faster than any accelerator multiplies."
            for name, rate in rates.items() if rate > most]


def _equal(predicted: dict, measured: dict) -> bool:
    return "value" in predicted and abs(predicted["value"] - measured["value"]) <= _SAME * abs(measured["value"])


def _outcome(outcome: Outcome | Unavailable) -> dict:
    return {"value": outcome.value, "low": outcome.low, "high": outcome.high} if outcome else {"reason": outcome.reason}


def _fields(evidence: Evidence) -> dict:
    return {**vars(evidence), "machine": as_json(evidence.machine), "points": list(evidence.points),
            "findings": list(evidence.findings)}


def _evidence(content: dict) -> Evidence:
    evidence = Evidence(**{**content, "machine": from_json(content["machine"]), "points": tuple(content["points"]),
                           "findings": tuple(content["findings"])})
    for point in evidence.points:
        for half in ("predicted", "measured"):
            if not all(isinstance(value, (int, float, str)) for value in point[half].values()):
                raise Unusable("it holds outcomes that are none")
    return evidence


def _digest(fields: dict) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
