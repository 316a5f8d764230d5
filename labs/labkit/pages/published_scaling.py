"""Published scaling, predicted: the errors of the model and of its rivals, and one series at a time on a slider.

`tools/refit.py` fits the constants anew to the course's own table and writes them, with those of fits from which one
collection, MLPerf benchmark or submitter was left out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

from labkit.data import data_folder, read_csv
from labkit.experiment import Axis, Experiment, Outcome, Published, Unavailable
from labkit.pages import baselines
from labkit.predict import scaling
from labkit.published import FAMILIES, MLPERF, TIME_TO_TRAIN, Training, read
from labkit.stats import nine_in_ten

FOLDER = data_folder() / "published"
TABLE, CONSTANTS = FOLDER / "training-scaling.csv", FOLDER / "scaling-constants.csv"
MLSYSIM_RECORD = FOLDER / "mlsysim.csv"
ALL_RATES = "all rates"
GOALS = {ALL_RATES: (0.10, 0.25), TIME_TO_TRAIN: (0.15, 0.35)}  # median and 90th percentile
MODEL, HELD_OUT, LINEAR, AMDAHL, MLSYSIM = "model", "held out", "linear", "Amdahl", "mlsysim"


@cache
def course() -> tuple[Training, ...]:
    """Return the series of the course's own table."""
    return tuple(read(TABLE)[0])


@cache
def fitted() -> dict[str, scaling.Constants]:
    """Return the constants by what was left out of their fit: "" for nothing, else an origin or a submitter."""
    return {row["left_out"]: scaling.Constants(*(float(row[name]) for name in scaling.NAMES))
            for row in read_csv(CONSTANTS)}


def predicted(trainings: Sequence[Training], calibrations: int = 2,
              left_out: Callable[[Training], str] = lambda training: "") -> list[dict[float, float]]:
    """Return the predicted values of each series by scale, those of the calibration among them.

    Args:
        calibrations: how many of the smallest scales of a series it may know.
        left_out: what the constants must not have seen, for each series; where no fit left that out, no fit saw it.
    """
    found = [{}] * len(trainings)
    names = [left_out(training) for training in trainings]
    for name in dict.fromkeys(names):
        places = [place for place, other in enumerate(names) if other == name]
        series = [trainings[place].series(calibrations) for place in places]
        for place, times in zip(places, scaling.predict(series, fitted().get(name, fitted()[""])), strict=True):
            found[place] = trainings[place].published(times)
    return found


def linear(training: Training, calibrations: int) -> dict[float, float]:
    """Return the values beyond the calibration if the rate rose with the accelerators from its largest scale on."""
    last = training.scales[calibrations - 1]
    return _from_times(training, calibrations, lambda n: _time(training, last) * last / n)


def amdahl(training: Training, calibrations: int) -> dict[float, float] | None:
    """Return the values by a fit of Amdahl's law, a + b / accelerators, to two scales; None where there is but one.

    Where the second scale is faster than in proportion, nothing is serial.
    """
    if calibrations < 2:
        return None
    first, last = training.scales[calibrations - 2:calibrations]
    slow, fast = _time(training, first), _time(training, last)
    parallel = (slow - fast) / (1 / first - 1 / last)
    serial = max(fast - parallel / last, 0.0)
    return _from_times(training, calibrations, lambda n: serial + (fast - serial) * last / n)


def _time(training: Training, scale: float) -> float:
    return median(run.time for run in training.runs if run.accelerators == scale)


def _from_times(training: Training, calibrations: int, time: Callable[[float], float]) -> dict[float, float]:
    found = training.published([time(run.accelerators) for run in training.runs])
    return {scale: found[scale] for scale in training.scales[calibrations:]}


def recorded() -> dict[tuple[str, str, float], float]:
    """Return what mlsysim 0.3.0 said of the course's table, by series, metric and scale, as it was recorded."""
    return {(row["series_id"], row["metric"], float(row["accelerators"])): float(row["predicted"])
            for row in read_csv(MLSYSIM_RECORD)}


@dataclass(frozen=True)
class Point:
    """One predicted scale: the published value, and what each said of it, by name; None where one says nothing."""

    training: Training
    scale: float
    value: float
    said: Mapping[str, float | None]

    def error(self, name: str) -> float | None:
        """Return how far off one was, as a fraction of what was published."""
        said = self.said.get(name)
        return None if said is None else abs(said - self.value) / self.value


def points(trainings: Sequence[Training], calibrations: int = 2) -> list[Point]:
    """Return every scale beyond the calibration, predicted by the model and its rivals.

    What mlsysim says is on record for the course's table, from two scales; else it is asked, where it is installed.
    """
    known, unseen = predicted(trainings, calibrations), predicted(trainings, calibrations, lambda one: one.origin)
    record, found = recorded() if trainings is course() and calibrations == 2 else None, []
    for training, model, held in zip(trainings, known, unseen, strict=True):
        if record is not None:
            other = {scale: record.get((training.name, training.metric, scale)) for scale in training.scales}
        else:
            other = baselines.predict(training, calibrations) if baselines.installed() else None
        said = {MODEL: model, HELD_OUT: held, LINEAR: linear(training, calibrations),
                AMDAHL: amdahl(training, calibrations) or {}, MLSYSIM: other or {}}
        found += [Point(training, scale, training.value(scale), {name: by.get(scale) for name, by in said.items()})
                  for scale in training.scales[calibrations:]]
    return found


@dataclass(frozen=True)
class FamilyErrors:
    """The errors of a family: for each who predicted it, the median and the 90th percentile, and of how many points."""

    family: str
    series: int
    points: int
    errors: Mapping[str, tuple[float, float, int]]

    @property
    def goal(self) -> tuple[float, float] | None:
        """Median and 90th percentile, for what has a goal."""
        return GOALS.get(self.family)


def scores(found: Sequence[Point]) -> list[FamilyErrors]:
    """Return a score for each family, and one for all rates together."""
    order = [*dict.fromkeys([MLPERF, *FAMILIES.values()])]
    families = {name: [point for point in found if point.training.family == name] for name in order}
    rates = [point for point in found if not point.training.whole]
    whole = families.pop(TIME_TO_TRAIN)
    return [_score(name, members) for name, members in (*families.items(), (ALL_RATES, rates), (TIME_TO_TRAIN, whole))
            if members]


def _score(family: str, members: Sequence[Point]) -> FamilyErrors:
    errors = {}
    for name in (MODEL, HELD_OUT, LINEAR, AMDAHL, MLSYSIM):
        mine = sorted(error for point in members if (error := point.error(name)) is not None)
        if mine:
            errors[name] = median(mine), nine_in_ten(mine), len(mine)
    trainings = {(point.training.name, point.training.metric, point.training.workload) for point in members}
    return FamilyErrors(family, len(trainings), len(members), errors)


def report(path: Path) -> Iterable[str]:
    """Yield the lines that `labkit validate --published` prints of a file.

    Raises:
        OSError, ValueError: the file cannot be read, or used; the message says why.
    """
    trainings, left_out = read(path)
    own = {(one.name, one.metric, one.workload) for one in course()}
    unseen = sum((one.name, one.metric, one.workload) not in own for one in trainings)
    yield (f"{path.name}: {len(trainings)} series with three scales or more. {unseen} of them were not part of the fit "
           "of the model's constants.")
    for reason, count in left_out.most_common():
        yield f"  left out: {count} row{'s' * (count > 1)}, {reason}"
    if not baselines.installed():
        yield "  mlsysim is not installed, so it is not compared (pip install mlsysim)."
    for calibrations in (2, 1):
        yield ""
        yield (f"Calibrated on the {'two smallest scales' if calibrations == 2 else 'smallest scale'} of each series. "
               "Median error and 90th percentile:")
        yield f"{'family':<27}{'series':>7}{'points':>7}" + "".join(
            f"{name:>18}" for name in (MODEL, HELD_OUT, LINEAR, AMDAHL, MLSYSIM))
        found = points(trainings, calibrations)
        for score in scores(found):
            yield _line(score, goal=calibrations == 2)
        shared = [point for point in found if point.said[MLSYSIM] is not None]
        for score in scores(shared):
            if score.goal:
                half, most, count = score.errors[MODEL]
                yield f"  {score.family}, where mlsysim knows the series: model {half:.1%} {most:.0%} ({count})"
    yield ""
    yield ("model: constants fitted to the course's table. held out: fitted without the collection, in MLPerf without "
           "the benchmark, that is predicted.")
    yield ("linear: in proportion to accelerators, from the largest calibration scale. Amdahl: through two scales. "
           "mlsysim: the points that it knows.")


def _line(score: FamilyErrors, goal: bool) -> str:
    cells = []
    for name in (MODEL, HELD_OUT, LINEAR, AMDAHL, MLSYSIM):
        half, most, count = score.errors.get(name, (math.nan, math.nan, 0))
        some = f" ({count})" if 0 < count < score.points else ""
        cells.append(f"{f'{half:.1%} {most:.0%}{some}' if count else '-':>18}")
    end = ""
    if goal and score.goal:
        half, most, _ = score.errors[HELD_OUT]
        reached = half <= score.goal[0] and most <= score.goal[1]
        end = f"   goal {score.goal[0]:.0%} {score.goal[1]:.0%}: {'reached' if reached else 'missed'} held out"
    return f"{score.family:<27}{score.series:>7}{score.points:>7}" + "".join(cells) + end


def label(training: Training) -> str:
    """Return a name of a series for a list to choose from: what is trained, by whom, on what."""
    words = training.name.split("|")
    if training.name.startswith("mlperf"):
        by = f"{words[2]}, MLPerf {words[0].removeprefix('mlperf_')}"
        return f"{training.workload.removesuffix(' MLPerf')}, {words[3]}, {by}"
    return f"{training.workload}, {training.accelerator} ({training.name})"


def between(training: Training, accelerators: float) -> tuple[float, float | None]:
    """Return nodes and batch at a scale: as published there, else on a line between the published ones, in logarithms.
    """
    here = [run for run in training.runs if run.accelerators == accelerators]
    if here:
        return here[-1].nodes, here[-1].batch
    below = max((run for run in training.runs if run.accelerators < accelerators), key=lambda run: run.accelerators)
    above = min((run for run in training.runs if run.accelerators > accelerators), key=lambda run: run.accelerators)
    share = math.log(accelerators / below.accelerators) / math.log(above.accelerators / below.accelerators)
    nodes = below.nodes * (above.nodes / below.nodes) ** share
    known = below.batch and above.batch
    return max(nodes, 1.0), below.batch * (above.batch / below.batch) ** share if known else None


def asked(training: Training, points: Sequence[tuple[float, float, float | None]]) -> list[float]:
    """Return the predicted times at accelerators, nodes and batch, from the two smallest scales, held out.

    Where the series' batch is known, the points need one.
    """
    series = training.series(2)
    known = sum(series.known)
    ask = dataclasses.replace(
        series,
        accelerators=(*series.accelerators[:known], *(n for n, _, _ in points)),
        nodes=(*series.nodes[:known], *(nodes for _, nodes, _ in points)),
        batch=series.batch and (*series.batch[:known], *(batch for _, _, batch in points)),
        times=(*series.times[:known], *(1.0 for _ in points)),
        known=(*series.known[:known], *(False for _ in points)))
    constants = fitted().get(training.origin, fitted()[""])
    return [float(time) for time in scaling.predict([ask], constants)[0][known:]]


def explorer(chosen: Sequence[Training]) -> Experiment:
    """Return an experiment that draws one of some times to train, by the model and its rivals, and as published.

    The constants are those that were fitted without the series' benchmark. Between published scales, the batch lies on
    a line between those that were published.
    """
    scales = sorted({scale for training in chosen for scale in training.scales})
    curves, names = {}, {label(training): training for training in chosen}
    for name, training in names.items():
        first, last = training.scales[:2]
        inside = [scale for scale in scales if first <= scale <= training.scales[-1]]
        times = asked(training, [(scale, *between(training, scale)) for scale in inside])
        slow, fast = training.value(first), training.value(last)
        serial = max(fast - (slow - fast) / (1 / first - 1 / last) / last, 0.0)
        curves[name, MODEL] = dict(zip(inside, times, strict=True))
        curves[name, LINEAR] = {scale: fast * last / scale for scale in inside}
        curves[name, AMDAHL] = {scale: serial + (fast - serial) * last / scale for scale in inside}

    def predict(accelerators, series, by):
        training, said = names[series], curves[series, by].get(accelerators)
        if said is None:
            return Unavailable(f"Nothing is said of {accelerators:,} accelerators by “{by}”: {series} was "
                               f"published from {training.scales[0]:,.0f} to {training.scales[-1]:,.0f}.")
        if accelerators in training.scales[:2]:
            note = f"A calibration scale; published: {training.value(accelerators):.3g} min."
        elif accelerators in training.scales:
            off = said / training.value(accelerators) - 1
            note = f"Published: {training.value(accelerators):.3g} min, so this is {100 * off:+.0f} % off."
        else:
            note = "No result of this scale was published."
        return Outcome(said, "min", note=note)

    return Experiment(
        title="Time to train, from the two smallest scales", quantity="Time to train", unit="min",
        axes=[Axis("accelerators", "Accelerators", tuple(int(scale) for scale in scales), log=True,
                   start=int(chosen[0].scales[-1])),
              Axis("series", "Series", tuple(names)), Axis("by", "Prediction", (MODEL, LINEAR, AMDAHL))],
        predict=predict,
        readout="{series}: with {accelerators} accelerators, {value} by the prediction “{by}”.",
        published=[Published({"accelerators": int(scale), "series": name, "by": MODEL}, training.value(scale),
                             f"{scale:,.0f} accelerators", training.repository)
                   for name, training in names.items() for scale in training.scales],
    )
