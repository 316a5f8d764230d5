"""A made-up machine for the tests: costs that follow a simple rule, so that nothing has to be calibrated."""

from __future__ import annotations

from labkit.machine import Machine

START = 5e-5  # seconds to start an operation
RATE = 2e10  # FLOP/s
_LAYERS = {"conv32": (4, 16, 64), "conv16": (4, 16, 64), "conv8": (8, 32, 128), "dense": (256, 1024, 4096)}
_FLOP = {"conv32": lambda c: 54 * c * 16**2, "conv16": lambda c: 36 * c**2 * 8**2,
         "conv8": lambda c: 36 * c**2 * 4**2, "dense": lambda c: 6 * c}


def operators(passes: float = 3.0) -> dict:
    """Return costs as `labkit.measure.operators.probe` does; training takes `passes` times an inference."""

    def curve(kind, channels, factor):
        return [[b, factor * (START + b * _FLOP[kind](channels) / RATE)] for b in (1, 2, 8, 32, 128, 512)]

    def curves(factor):
        return {kind: {str(c): curve(kind, c, factor) for c in channels} for kind, channels in _LAYERS.items()}

    optimiser = [[count, 1e-4 + count * 2e-9] for count in (1_000, 30_000, 1_000_000)]
    return {"infer": curves(1.0), "train": curves(passes), "optimiser": optimiser, "pace": 2e-4, "contention": 0.02}


def machine(**changes) -> Machine:
    """Return a calibrated machine with 8 GiB; `changes` replace its fields."""
    return Machine(**{"name": "A machine", "device": "cpu", "memory": 8 * 2**30, "operators": operators(), **changes})
