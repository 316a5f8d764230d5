"""How long a network of dense layers takes, from ever more knowledge of the machine.

1. `datasheet`: the roofline, from two numbers.
2. `caches`: the roofline with the rate that products of that size reach, the bandwidth of wherever everything fits, and
   the cost of starting operations.
3. `alone`: the machine's own layers, timed alone, added up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat

from labkit.predict import roofline
from labkit.predict.operators import interpolate, layer_time
from labkit.specs import network
from labkit.specs.calibration import Calibration, CostCurve

OPERATIONS = 2  # that the framework starts for one layer: the product with the bias, and the ReLU


def datasheet(layers: Sequence[network.Layer], batch: int, flops: float, bandwidth: float) -> dict[str, float]:
    """Return the parts of an inference's least time in seconds, by peak rate in FLOP/s and bandwidth in bytes/s."""
    return roofline.bounds(at_peak(layers, batch, flops, bandwidth))


def at_peak(layers: Sequence[network.Layer], batch: int, flops: float, bandwidth: float, *,
            passes: Iterable[int] = repeat(1), size: int = network.FLOAT) -> Iterator[tuple[float, float]]:
    """Yield for each layer the seconds that its arithmetic takes at the peak rate, and its bytes at the peak bandwidth.

    Args:
        layers, batch: the network, and how many examples it is given.
        flops: peak rate in FLOP/s.
        bandwidth: peak memory bandwidth in bytes/s.
        passes: how often each layer is gone through.
        size: bytes of a number that a layer reads or writes.
    """
    for layer, times in zip(layers, passes, strict=False):
        yield (times * batch * layer.flop / flops,
               times * layer.bytes_moved(batch) * size / network.FLOAT / bandwidth)


def caches(layers: list[network.Layer], batch: int, products: CostCurve, read: CostCurve) -> dict[str, float]:
    """Return the parts of an inference's time in seconds: the roofline with sizes, caches, and starts.

    A layer's arithmetic takes what a square matrix product of as many operations takes, or its bytes what reading
    them takes, whichever is longer. Whatever the network reads and writes is used once in an inference, and again in
    the next: so it comes from the nearest cache that holds all of it.

    Args:
        layers, batch: the network, and how many examples it is given.
        products: seconds of square products in 32 bit against their operations (`labkit.measure.probes.products`).
        read: seconds to read a set of bytes once more, against the bytes (`labkit.measure.probes.memory`).
    """
    start, working_set = products[0][1], network.working_set(layers, batch)
    bandwidth = working_set / interpolate(read, working_set)
    work = ((interpolate(products, batch * layer.flop) - start, layer.bytes_moved(batch) / bandwidth)
            for layer in layers)
    return {"starting": OPERATIONS * len(layers) * start, **roofline.bounds(work)}


def alone(width: int, depth: int, batch: int, calibration: Calibration) -> dict[str, float]:
    """Return the parts of an inference's time in seconds on a calibrated machine.

    Every layer takes what it took alone, and longer by what it has to wait for its weights, as far as the network
    does not fit the caches.

    Args:
        width, depth: of the network (`labkit.specs.network.deep`).
        batch: examples.
        calibration: what single layers cost (`labkit.measure.probes.layers`).
    """
    far = calibration.group("far")
    known = min(max(width, min(far)), max(far))
    wait = max(0.0, layer_time(far, known, batch) - layer_time(calibration.group("near"), known, batch))
    wait *= (width / known) ** 2  # beyond the measured widths: by the weights
    sets = (network.working_set(network.deep(width, n), batch) for n in (1, depth))
    share = away(calibration.group("climb"), known, *sets)
    near = layer_time(calibration.group("near"), width, batch)
    return {"layers alone": depth * near, "weights from afar": depth * wait * share}


def away(climb: Mapping[int, CostCurve], width: int, one: float, whole: float) -> float:
    """Return which share of the way from the caches to memory a network has gone, 0 to 1.

    Args:
        climb: seconds for a batch of 1 against the bytes of weights that are used in turn, by width.
        width: of the network's layers.
        one, whole: the working set in bytes of one layer, and of the whole network.
    """
    last = min(curve[-1][0] for curve in climb.values())
    near, here, far = (layer_time(climb, width, min(size, last)) for size in (one, whole, last))
    return min(max((here - near) / (far - near), 0.0), 1.0) if far > near else 0.0
