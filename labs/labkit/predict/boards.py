"""What a published result of a board says of another network on it: the scaling by operations, and how far it errs.

A board that answers one network at some rate of operations a second is taken to answer another at the same rate. The
networks of MLPerf Tiny let this be tried: all four were run on most boards (Banbury et al. 2021, arXiv:2106.07597).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

from labkit.specs import network

SEPARABLE = ("keyword spotting", "visual wake words")  # convolutions in each channel alone, and across them
CLOSEST = "image classification"  # the network most like the course's: 3 × 3 convolutions of pictures of 32 × 32


def _convolution(points: int, in_channels: int, out_channels: int, outputs: int) -> int:
    """Return the operations of a convolution over `points` neighbours, with so many points in each output."""
    return 2 * points * in_channels * out_channels * outputs


def _blocks(*blocks: tuple[int, int, int, int]) -> int:
    """Return the operations of pairs of a convolution in each channel alone (3 × 3) and one across them (1 × 1)."""
    return sum(times * (_convolution(9, in_channels, 1, points) + _convolution(1, in_channels, out_channels, points))
               for times, in_channels, out_channels, points in blocks)


# Operations of one answer, layer by layer as in the reference models of github.com/mlcommons/tiny (benchmark/training).
OPERATIONS = {
    CLOSEST: (  # ResNet-8
        _convolution(9, 3, 16, 32**2) + 2 * _convolution(9, 16, 16, 32**2)
        + _convolution(9, 16, 32, 16**2) + _convolution(9, 32, 32, 16**2) + _convolution(1, 16, 32, 16**2)
        + _convolution(9, 32, 64, 8**2) + _convolution(9, 64, 64, 8**2) + _convolution(1, 32, 64, 8**2)
        + network.dense(64, 10).flop),
    "visual wake words": (  # MobileNet, a quarter of its width, 96 × 96
        _convolution(9, 3, 8, 48**2)
        + _blocks((1, 8, 16, 48**2), (1, 16, 32, 24**2), (1, 32, 32, 24**2), (1, 32, 64, 12**2), (1, 64, 64, 12**2),
                  (1, 64, 128, 6**2), (5, 128, 128, 6**2), (1, 128, 256, 3**2), (1, 256, 256, 3**2))
        + network.dense(256, 2).flop),
    "keyword spotting": (  # DS-CNN
        _convolution(40, 1, 64, 25 * 5) + _blocks((4, 64, 64, 25 * 5)) + network.dense(64, 12).flop),
    "anomaly detection": sum(  # an autoencoder of dense layers
        network.dense(inputs, neurons).flop
        for inputs, neurons in ((640, 128), *[(128, 128)] * 3, (128, 8), (8, 128), *[(128, 128)] * 3, (128, 640))),
}

# Weights of the same layers, each of which is one byte in int8; without biases.
WEIGHTS = {CLOSEST: 77_360, "visual wake words": 208_112, "keyword spotting": 22_016, "anomaly detection": 264_192}


def seconds(published: float, operations: float, of: float = OPERATIONS[CLOSEST]) -> float:
    """Return the seconds of `operations` on a board that takes `published` seconds for `of` operations.

    Raises:
        ValueError: a number that is not above 0.
    """
    if not (published > 0 and operations > 0 and of > 0):
        raise ValueError(f"Times and operations must be above 0, not {published} s, {operations} and {of}.")
    return published * operations / of


def by_operations(times: Iterable[Mapping[str, float]]) -> dict[str, list[float]]:
    """Return, for each network but the closest, the published time over the predicted one on every board, ascending.

    Args:
        times: for each board (with its software and number format), seconds by network.
    """
    found = {task: [] for task in OPERATIONS if task != CLOSEST}
    for board in times:
        for task, actual in board.items():
            if task != CLOSEST and CLOSEST in board:
                found[task].append(actual / seconds(board[CLOSEST], OPERATIONS[task]))
    return {task: sorted(ratios) for task, ratios in found.items()}


@dataclass(frozen=True)
class Board:
    """What one submitter published of a board, in one number format.

    Args:
        name: of the board; boards of one name hold the same chip.
        core: the processor.
        software: whose runtime it is.
        dtype: the number format.
        clock: in Hz, None where it is not published.
        seconds: of one answer, by network.
    """

    name: str
    core: str
    software: str
    dtype: str
    clock: float | None
    seconds: Mapping[str, float]


def others(board: Board, known: Iterable[Board], *fields: str) -> list[Board]:
    """Return the boards of another name in the same number format that share some further fields with a board."""
    return [other for other in known if other.name != board.name
            and all(getattr(other, field) == getattr(board, field) for field in ("dtype", *fields))]


def same_layers(board: Board) -> dict[str, float]:
    """Return the seconds of the two networks of separable convolutions, each by operations from the other."""
    return {task: seconds(board.seconds[other], OPERATIONS[task], OPERATIONS[other])
            for task, other in (SEPARABLE, SEPARABLE[::-1]) if {task, other} <= board.seconds.keys()}


def from_closest(board: Board, peers: Iterable[Board]) -> dict[str, float]:
    """Return the seconds of networks from the board's own for the closest one, and by how much they differ on others.

    Args:
        board: whose time for the closest network is known; no other is looked at.
        peers: boards that it is not among.
    """
    factors = {}
    for other in peers:
        for task in OPERATIONS:
            if task != CLOSEST and {task, CLOSEST} <= other.seconds.keys():
                factors.setdefault(task, []).append(other.seconds[task] / other.seconds[CLOSEST])
    return {task: board.seconds[CLOSEST] * median(found) for task, found in factors.items() if CLOSEST in board.seconds}


def by_clock(board: Board, peers: Iterable[Board]) -> dict[str, float]:
    """Return the seconds of networks from the cycles that they take on others; no time of the board is looked at."""
    cycles = {}
    for other in peers:
        for task, taken in other.seconds.items():
            if other.clock:
                cycles.setdefault(task, []).append(taken * other.clock)
    return {task: median(found) / board.clock for task, found in cycles.items() if board.clock}


def error(ratios: Iterable[float]) -> float:
    """Return the median error of predictions, as a fraction of what was published, from published over predicted."""
    return median(abs(1 / ratio - 1) for ratio in ratios)


def two_clocks(slow: tuple[float, float], fast: tuple[float, float]) -> tuple[float, float]:
    """Return the cycles of an answer, and the seconds that no clock shortens, from its seconds at two clocks.

    seconds = cycles / clock + rest. Two times give two numbers, so that nothing is left over by which to tell whether
    the sum is right.

    Args:
        slow, fast: clock in Hz and seconds of an answer.

    Raises:
        ValueError: numbers that are not above 0, or a clock that is not faster.
    """
    (low, long), (high, short) = slow, fast
    if not (0 < low < high and 0 < short <= long):
        raise ValueError(f"Two clocks must be above 0 and differ, and the faster one may not take longer, not {slow} "
                         f"and {fast}.")
    cycles = (long - short) / (1 / low - 1 / high)
    return cycles, long - cycles / low
