"""What LoadGen wrote down of a run: its verdict, its numbers, and when every sample was due, issued and done.

LoadGen is MLPerf's generator of queries. Its detail log has a line of JSON for each fact, after `:::MLLOG`; its trace
has an event for each sample, in the format of Chrome's tracer.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DETAIL, TRACE = "mlperf_log_detail.txt", "mlperf_log_trace.json"
ERRORS = "errors"  # the key of the texts of all that LoadGen calls an error
_MARK = ":::MLLOG "
_NEEDED = {"effective_scenario", "effective_min_duration_ms", "effective_min_query_count", "result_validity",
           "result_query_count", "result_min_duration_met", "result_min_queries_met", "early_stopping_met",
           "num_errors"}  # which whole logs have, whatever the scenario
_CUT_OFF = "LoadGen's {} is cut off or damaged: {}. The run did not end as it should. Run it again."


class CutOff(ValueError):
    """A log that is not whole; the message says what is missing."""


@dataclass(frozen=True)
class Log:
    """One run.

    Args:
        facts: the detail log, by key.
        times: float64 (samples, 3): seconds at which each sample was due, was issued, and was done, by the moment at
            which it was due; 0 is the first.
        query: int64 (samples,): the number of each sample's query.
        alone: seconds that the network took by itself, in the same process, before LoadGen began; NaN if not known.
    """

    facts: dict[str, object]
    times: np.ndarray
    query: np.ndarray
    alone: float = math.nan

    @property
    def scenario(self) -> str:
        """The scenario that ran."""
        return self.facts["effective_scenario"]

    @property
    def valid(self) -> bool:
        """Whether LoadGen calls the run valid, and reports no error."""
        return self.facts["result_validity"] == "VALID" and self.facts["num_errors"] == 0

    @property
    def objections(self) -> list[str]:
        """Why the run is not valid, in plain words; none for a valid run."""
        facts, found = self.facts, []
        if not facts.get("result_perf_constraints_met", True):
            deadline = facts["effective_target_latency_ns"] / 1e6
            found.append(f"the slowest hundredth took longer than the deadline of {deadline:g} ms")
        if not facts["result_min_duration_met"]:
            found.append(f"it was over before the {facts['effective_min_duration_ms'] / 1e3:g} s that were asked for")
        if not facts["result_min_queries_met"]:
            found.append(f"it had fewer queries than the {facts['effective_min_query_count']:,} that were asked for")
        if not facts["early_stopping_met"]:
            found.append(f"{facts['result_query_count']:,} queries are too few to be sure of the percentile "
                         f"({' '.join(facts['early_stopping_result'].replace('*', '').split())})")
        found += [f"LoadGen reports an error: {text}" for text in facts.get(ERRORS, ["no text"] * facts["num_errors"])]
        return found

    @property
    def queries(self) -> int:
        """How many queries LoadGen issued."""
        return self.facts["result_query_count"]

    @property
    def latencies(self) -> np.ndarray:
        """Seconds from due to done, ascending: of every sample, or of every query (its last sample) in MultiStream."""
        if self.scenario != "MultiStream":
            return np.sort(self.times[:, 2] - self.times[:, 0])
        taken = np.zeros(self.query.max() + 1)
        np.maximum.at(taken, self.query, self.times[:, 2] - self.times[:, 0])
        return np.sort(taken)

    def percentile(self, share: float) -> float:
        """Return a percentile of the latencies in seconds, by our own count over the trace.

        As LoadGen does, it takes the first query beyond the share, and interpolates nothing.

        Raises:
            ValueError: a share that is not above 0 and below 100.
        """
        if not 0 < share < 100:
            raise ValueError(f"A percentile lies above 0 and below 100, not at {share!r}.")
        ordered = self.latencies
        return float(ordered[math.floor(len(ordered) * share / 100)])

    def reported(self, share: float) -> float:
        """Return a percentile in seconds as LoadGen reports it; raises `ValueError` for one that it does not."""
        kind = "per_query_latency" if self.scenario == "MultiStream" else "latency"
        key = f"result_{share:.2f}_percentile_{kind}_ns"
        if key not in self.facts:
            raise ValueError(f"LoadGen does not report the {share:g} % percentile of a {self.scenario} run.")
        return self.facts[key] / 1e9

    @property
    def mean(self) -> float:
        """Seconds that a query takes in the mean, as LoadGen reports it."""
        kind = "query_latency" if self.scenario == "MultiStream" else "latency"
        return self.facts[f"result_mean_{kind}_ns"] / 1e9

    @property
    def rate(self) -> float:
        """Samples done in a second: all of them, over the time from the first that is due to the last that is done."""
        return len(self.times) / float(self.times[:, 2].max())

    def inside(self, looks: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
        """Return so many moments at even intervals, in seconds, and how many samples are in the system at each.

        Raises:
            ValueError: no look.
        """
        if looks < 1:
            raise ValueError(f"Who counts has to look once or more, not {looks!r} times.")
        moments = (np.arange(looks) + 0.5) / looks * self.times[:, 2].max()
        came, left = (np.searchsorted(np.sort(self.times[:, column]), moments, "right") for column in (0, 2))
        return moments, came - left


def read(folder: str | Path) -> Log:
    """Read the logs in a folder.

    Raises:
        CutOff: they are missing, damaged, or end in the middle.
    """
    facts = _facts(Path(folder) / DETAIL)
    times, query = _samples(Path(folder) / TRACE)
    if len(times) < facts["result_query_count"]:
        said = f"it has {len(times):,} samples of {facts['result_query_count']:,} queries"
        raise CutOff(_CUT_OFF.format(TRACE, said))
    return Log(facts, times, query)


def _facts(path: Path) -> dict[str, object]:
    facts: dict[str, object] = {}
    for number, line in enumerate(_lines(path), 1):
        if line.startswith(_MARK):
            try:
                entry = json.loads(line.removeprefix(_MARK))
                facts[entry["key"]] = entry["value"]
                if entry.get("metadata", {}).get("is_error"):
                    facts.setdefault(ERRORS, []).append(str(entry["value"]))
            except (ValueError, LookupError, TypeError):
                raise CutOff(_CUT_OFF.format(path.name, f"line {number} is no whole entry")) from None
    if missing := _NEEDED - facts.keys():
        raise CutOff(_CUT_OFF.format(path.name, f"it has no {' and no '.join(sorted(missing))}"))
    return facts


def _samples(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = []
    for number, line in enumerate(_lines(path), 1):
        if line.startswith('{"name":"Sample"') and '"ph":"b"' in line:
            try:
                event = json.loads(line.rstrip().removesuffix(","))
                more = event["args"]
                rows.append((event["ts"] * 1e-6, more["issue_start_ns"] * 1e-9, more["complete_ns"] * 1e-9,
                             more["query_seq"]))
            except (ValueError, LookupError, TypeError):
                raise CutOff(_CUT_OFF.format(path.name, f"line {number} is no whole event")) from None
    if not rows:
        raise CutOff(_CUT_OFF.format(path.name, "it has no samples"))
    table = np.array(sorted(rows))
    due = table[:, 0] - table[0, 0]
    query = table[:, 3].astype(np.int64)
    return np.column_stack([due, due + table[:, 1], due + table[:, 2]]), query - query.min()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as trouble:
        raise CutOff(_CUT_OFF.format(path.name, f"it cannot be read ({type(trouble).__name__})")) from trouble
