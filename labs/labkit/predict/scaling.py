"""How far training scales, predicted from its one or two smallest published scales, for clusters that nobody here has.

**The step.** At the smallest scale an accelerator computes for one unit of time in each step. At another scale, with
`share` times as many samples for each accelerator, a step takes

    share + strength (fixed + between (nodes-1)/nodes + stragglers share log2(accelerators))

The first two overheads do not shrink with the share: what is done once a step, the exchange inside a node among it, and
the ring all-reduce between nodes, in which each sends (nodes-1)/nodes of the gradients twice (Patarasuk and Yuan 2009,
doi:10.1016/j.jpdc.2008.09.002). The last grows with how many wait for the slowest. Two things were tried
and left out: an overhead of its own for the exchange inside a node, with which held-out series were predicted worse,
and the bandwidth that a table's text gives the network, which hardly changed the fit.

**The strength** is what a series is free in. Before it is calibrated, all that is known is that short steps and large
networks suffer more: its typical value falls with the seconds of a step and rises with the parameters, and single
series spread widely about it. Every strength on a grid is then weighed by how well it explains the calibration scales
(Bayes' rule), and the prediction is the weighted mean. It passes through the largest calibration scale.

**Time to train** multiplies this by the samples that the batch needs (`labkit.predict.convergence`), with the critical
batch of the published convergence tables where there is one, and adds a rest, evaluation and start, that does not
shrink. The rest is weighed like the strength.

The constants are the same for all series. `tools/refit.py` fits them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np

STRENGTHS = np.linspace(-6, 4, 31)  # logarithms of the strength that are tried
RESTS = np.linspace(-7, 1, 13)  # logarithms of the rest, as a share of the training time at the smallest scale
_TAIL = 2  # degrees of freedom of Student's t: series far from the typical ones are rare, and exist


@dataclass(frozen=True)
class Constants:
    """What all series share; natural logarithms, except for the two powers.

    Args:
        fixed, between, stragglers: the overheads of a step, at strength 1, as shares of its computation.
        seconds: the power of the seconds of a step by which the typical strength falls.
        parameters: the power of the network's parameters, in 1e9, by which it rises.
        typical: the strength that is typical where the seconds of a step are not known.
        spread: of the strength between series.
        rest, rest_spread: evaluation and start, in minutes, and its spread.
        critical: the critical batch, where no table has it, in batches of the smallest scale.
        noise, time_noise: of a published rate, and of a published time to train.
    """

    fixed: float
    between: float
    stragglers: float
    seconds: float
    parameters: float
    typical: float
    spread: float
    rest: float
    rest_spread: float
    critical: float
    noise: float
    time_noise: float

    @property
    def vector(self) -> np.ndarray:
        """All of them in order."""
        return np.array(astuple(self))


NAMES = tuple(field.name for field in fields(Constants))


@dataclass(frozen=True)
class Series:
    """One training, published at several scales, smallest first.

    Args:
        accelerators, nodes: of each run.
        batch: samples a step over all accelerators; None for all where any is unknown. Then each accelerator is taken
            to have the same batch at every scale.
        times: minutes to train, or the time for a sample (of any unit) of the whole cluster, the inverse of a rate.
        known: which runs calibrate; the times of the others are never read by a prediction.
        whole: whether the times are those of a whole training.
        step: seconds of a step of the smallest scale, None where nothing tells.
        parameters: of the network, None where unknown.
        critical: the critical batch from a published table, None where there is none.

    Raises:
        ValueError: no run, columns of different lengths, or a number that is not finite and above 0.
    """

    accelerators: tuple[float, ...]
    nodes: tuple[float, ...]
    batch: tuple[float, ...] | None
    times: tuple[float, ...]
    known: tuple[bool, ...]
    whole: bool = False
    step: float | None = None
    parameters: float | None = None
    critical: float | None = None

    def __post_init__(self):
        columns = [self.accelerators, self.nodes, self.times, *([self.batch] if self.batch else [])]
        if not any(self.known) or any(len(column) != len(self.known) for column in columns):
            raise ValueError("A series needs the same number of entries for every run, and one run that is known.")
        for number in (number for column in columns for number in column):
            if not (math.isfinite(number) and number > 0):
                raise ValueError(f"A run is described by finite numbers above 0, not by {number!r}.")


class Stack:
    """Many series of one kind as arrays, series by run; beyond the end of a short series its last run is repeated.

    Args:
        series: all of rates, or all of whole trainings; at least one.
    """

    def __init__(self, series: Sequence[Series]):
        longest = max(len(one.times) for one in series)

        def fill(column) -> np.ndarray:
            return np.array([[*values, *[values[-1]] * (longest - len(values))] for values in map(column, series)])

        self.there = np.array([[place < len(one.times) for place in range(longest)] for one in series])
        self.n, self.nodes = fill(lambda one: one.accelerators), fill(lambda one: one.nodes)
        batch = fill(lambda one: one.batch or one.accelerators)
        self.share = batch / self.n
        self.share = self.share / self.share[:, :1]
        self.batch = batch / batch[:, :1]
        self.log_times = np.log(fill(lambda one: one.times))
        self.known = fill(lambda one: one.known) & self.there
        # The prediction passes through the largest calibration scale, there through the run on the most nodes.
        order = np.where(self.known, self.n + self.nodes / (1 + self.nodes.max()), 0)
        self.anchor = np.arange(longest) == order.argmax(1)[:, None]
        self.whole = series[0].whole
        self.grows = np.array([one.whole and one.batch is not None for one in series])
        unknown = float("nan")
        self.step = np.log([one.step or unknown for one in series])
        self.parameters = np.nan_to_num(np.log([(one.parameters or unknown) / 1e9 for one in series]))
        self.critical = np.array([(one.critical or unknown) / (one.batch or (1,))[0] for one in series])


def predict(series: Sequence[Series], constants: Constants) -> list[np.ndarray]:
    """Return the predicted times of every run of each series, in the unit of its times."""
    found = [np.empty(0)] * len(series)
    for whole in (False, True):
        places = [place for place, one in enumerate(series) if one.whole is whole]
        if places:
            stack = Stack([series[place] for place in places])
            rows = np.exp(logarithms(stack, constants.vector))
            for place, row, there in zip(places, rows, stack.there, strict=True):
                found[place] = row[there]
    return found


def logarithms(stack: Stack, vector: np.ndarray) -> np.ndarray:
    """Return the logarithms of the predicted times, series by run, for constants as a vector."""
    c = Constants(*vector)
    likely = _student((STRENGTHS[:, None] - typical(stack, c)) / math.exp(c.spread))
    shapes = step(stack, c, np.exp(STRENGTHS)[:, None, None])
    if not stack.whole:
        return _weigh(stack, np.log(shapes), likely, c.noise)
    expected = c.rest - stack.log_times[:, 0]
    rest = _student((RESTS[:, None] - expected) / math.exp(c.rest_spread))
    both = np.log((shapes * samples(stack, c))[:, None] + np.exp(RESTS)[:, None, None])
    pairs = len(STRENGTHS) * len(RESTS), len(expected)
    return _weigh(stack, both.reshape(*pairs, -1), (likely[:, None] + rest).reshape(pairs), c.time_noise)


def typical(stack: Stack, c: Constants) -> np.ndarray:
    """Return the logarithm of the strength that is typical of each series before it is calibrated."""
    known = np.where(np.isnan(stack.step), c.typical, -c.seconds * np.nan_to_num(stack.step))
    return known + c.parameters * stack.parameters


def parts(stack: Stack, c: Constants, strength: np.ndarray) -> dict[str, np.ndarray]:
    """Return what a sample costs on one accelerator, by part, in the computation of the smallest scale's sample."""
    once = {
        "once a step": np.full_like(stack.n, math.exp(c.fixed)),
        "between nodes": math.exp(c.between) * (stack.nodes - 1) / stack.nodes,
    }
    waits = strength * math.exp(c.stragglers) * np.log2(stack.n)
    found = {name: strength * part / stack.share for name, part in once.items()}
    return {"computation": np.ones_like(waits), **found, "stragglers": waits}


def step(stack: Stack, c: Constants, strength: np.ndarray) -> np.ndarray:
    """Return the time for a sample of the whole cluster, as a share of that of the first run."""
    each = sum(parts(stack, c, strength).values()) / stack.n
    return each / each[..., :1]


def samples(stack: Stack, c: Constants) -> np.ndarray:
    """Return the samples that each run needs to converge, as a share of those of the first."""
    critical = np.where(np.isnan(stack.critical), math.exp(c.critical), stack.critical)[:, None]
    return np.where(stack.grows[:, None], (1 + stack.batch / critical) / (1 + 1 / critical), 1.0)


def _weigh(stack: Stack, shapes: np.ndarray, likely: np.ndarray, noise: float) -> np.ndarray:
    """Return the mean of candidate curves, each moved to the anchor and weighed by how well it meets the other runs.

    Args:
        shapes: logarithms, candidate by series by run.
        likely: logarithm of what was thought of each candidate before, candidate by series.
    """
    moved = shapes + ((stack.log_times - shapes) * stack.anchor).sum(-1)[..., None]
    missed = ((stack.log_times - moved) ** 2 * stack.known).sum(-1)
    weight = likely - missed / (2 * math.exp(2 * noise))
    weight = np.exp(weight - weight.max(0))
    return np.einsum("cs,csr->sr", weight / weight.sum(0), moved)


def _student(z: np.ndarray) -> np.ndarray:
    """Return the logarithm of the density of Student's t, but for a constant."""
    return -(_TAIL + 1) / 2 * np.log1p(z**2 / _TAIL)
