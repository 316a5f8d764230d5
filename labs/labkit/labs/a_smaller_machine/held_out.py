"""Published boards of Lab 4.1, each predicted from what was published of others, and of itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from statistics import median

from labkit import catalogue
from labkit.data import data_folder, read_csv
from labkit.display import TextTable
from labkit.labs.a_smaller_machine.experiments import ACCELERATORS
from labkit.predict import boards
from labkit.predict.boards import Board, others
from labkit.stats import further, nine_in_ten, reach
from labkit.units import percent

# Of each way to predict, from what is known of a board and of others: the seconds by network. There is one for each
# field that is published, and all are shown: none was chosen by its error.
WAYS: dict[str, Callable[[Board, Iterable[Board]], dict[str, float]]] = {
    "its ResNet-8, and the operations": lambda board, known: {
        task: boards.seconds(board.seconds[boards.CLOSEST], flop) for task, flop in boards.OPERATIONS.items()
        if boards.CLOSEST in board.seconds},
    "its result for a network of the same layers, and the operations": lambda board, known: boards.same_layers(board),
    "its ResNet-8, and boards with other software": lambda board, known: boards.from_closest(board, [
        other for other in others(board, known) if other.software != board.software]),
    "its ResNet-8, and boards with the same software": lambda board, known: boards.from_closest(
        board, others(board, known, "software")),
    "nothing but its clock, and boards with the same core": lambda board, known: boards.by_clock(
        board, others(board, known, "core")),
    "nothing but its clock, and boards with the same core and software": lambda board, known: boards.by_clock(
        board, others(board, known, "core", "software")),
}
NEWER = "MLPerf Tiny v1.3"
TASKS = {"ic": boards.CLOSEST, "kws": "keyword spotting", "vww": "visual wake words", "ad": "anomaly detection"}
_NEWER = {  # core, software and clock in Hz of the newer round's boards: data/plan/evidence.csv
    "Kai_Jiang K1_BOARD_V1.0": ("K1", "K1, RISC-V with eight cores", "kai_jiang", 614.4e6),
    "NUCLEO-L4R5ZI-P": ("NUCLEO-L4R5ZI", "Arm Cortex-M4", "STMicroelectronics", 120e6),
}


@cache
def known() -> tuple[Board, ...]:
    """Return the boards of MLPerf Tiny v1.2 that compute on a processor's cores, each in its usual setting."""
    rows = [row for row in catalogue.table("mlperf-tiny")
            if row["processor"] not in ACCELERATORS and row["name"].endswith(row["format"])]
    found = {}
    for row in rows:
        at = (row["board"].removesuffix("-Q"), row["processor"], row["submitter"], row["format"], row["clock_hz"])
        found.setdefault(at, {})[row["task"]] = 1 / row["samples_per_s"]
    return tuple(Board(*at, seconds) for at, seconds in found.items())


@cache
def newer() -> tuple[Board, ...]:
    """Return the boards of the newer round, of which nothing was looked at for any prediction."""
    rows = [row for row in read_csv(data_folder() / "plan" / "evidence.csv")
            if row["workload"].startswith(NEWER) and row["metric"] == "median throughput"]
    return tuple(
        Board(name, core, software, "int8", clock, {
            TASKS[row["workload"].split()[-1]]: 1 / float(row["value"]) for row in rows if row["system"] == system})
        for system, (name, core, software, clock) in _NEWER.items())


@dataclass(frozen=True)
class Expected:
    """What is expected of a network on a board: seconds over those of the closest one, and their range.

    Args:
        value, low, high: the ratio; nine further boards in ten are expected between the ends.
        formula: in words.
    """

    value: float
    low: float
    high: float
    formula: str


def from_own(board: Board, task: str) -> Expected | None:
    """Return what is expected of a network on a board from its own result for the closest one, by other boards.

    By boards with the same software; where fewer than two are known, by those of all publishers, each of which counts
    as one. None where no other board had the network.
    """
    def ratios(some: Iterable[Board]) -> list[float]:
        return [other.seconds[task] / other.seconds[boards.CLOSEST] for other in some
                if {task, boards.CLOSEST} <= other.seconds.keys()]

    beside = others(board, known())
    by_software = {name: [other for other in beside if other.software == name] for name in
                   dict.fromkeys(other.software for other in beside)}
    same = others(board, known(), "software")
    if len(ratios(same)) >= 2:
        peers, count, formula = same, len(ratios(same)), "boards with the same software"
        families = [[[ratio] for ratio in ratios(some)] for some in by_software.values()]
    else:
        peers, formula = beside, "boards of all publishers, for its software is not among them"
        families = [[found for some in by_software.values() if (found := ratios(some))]]
        count = len(families[0])
    if count < 2:
        return None
    value = boards.from_closest(board, peers)[task] / board.seconds[boards.CLOSEST]
    factor = reach(further(family for family in families if family), count)
    return Expected(value, value / factor, value * factor, f"the board's own image classification, by {formula}")


def errors(way: str, asked: Iterable[Board]) -> list[float]:
    """Return how far predictions of networks are off on boards that they know nothing else of, ascending.

    Args:
        way: of `WAYS`. What it takes of the board itself is no prediction, and left out.
        asked: the boards, each predicted from the others of `known`.
    """
    found = []
    for board in asked:
        own = boards.CLOSEST if "ResNet-8" in way else None
        found += [abs(seconds / board.seconds[task] - 1) for task, seconds in WAYS[way](board, known()).items()
                  if task in board.seconds and task != own]
    return sorted(found)


def board_table() -> TextTable:
    """Return how far each way to predict is off, on boards that are held out one by one, and on the newer round."""
    rows = []
    for way in WAYS:
        old, new = errors(way, known()), errors(way, newer())
        rows.append([way, str(len(old)), percent(median(old)), percent(nine_in_ten(old)), str(len(new)),
                     percent(median(new)) if new else ""])
    return TextTable(["what is known of a board, and of others", "results", "median error", "nine in ten within",
                      "newer round", "median error there"], rows)


def powers() -> dict[str, list[float]]:
    """Return the watts of each board by network, its energy over its time, as far as energy is published."""
    found = {}
    for row in catalogue.table("mlperf-tiny"):
        if row["energy_j"] and row["processor"] not in ACCELERATORS:
            found.setdefault(row["name"].split(",")[0], []).append(row["energy_j"] * row["samples_per_s"])
    per_task = [row for row in read_csv(data_folder() / "plan" / "evidence.csv") if row["workload"].startswith(NEWER)]
    energy = {(row["system"], row["workload"]): float(row["value"]) * 1e-6 for row in per_task
              if row["metric"] == "median energy"}
    for row in per_task:
        joule = energy.get((row["system"], row["workload"]))
        if joule and row["metric"] == "median throughput":
            found.setdefault(f"{row['system']}, {NEWER}", []).append(joule * float(row["value"]))
    return found


def power_table() -> TextTable:
    """Return the power of each board with its range over the networks."""
    return TextTable(["board", "power, least to most, by network"], [
        [name, f"{1e3 * min(watts):.0f} to {1e3 * max(watts):.0f} mW"] for name, watts in powers().items()])
