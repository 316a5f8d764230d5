"""What a busy processor draws, where none counts: a model with a band, from what servers drew under full load.

The watts are those of whole servers in SPECpower_ssj2008 at full load, divided by their logical processors, in the mean
of each of eight generations of processors: github.com/cloud-carbon-footprint/cloud-carbon-coefficients,
output/coefficients-azure-use.csv at 2ecb2f6. Memory, fans and losses are in them; a laptop's processor is not.
"""

from __future__ import annotations

import math

from labkit.inputs import above_zero, whole

LOWEST_W, HIGHEST_W = 1.69, 6.01  # of a busy logical processor: the second EPYC (2019), and Haswell (2014)


def watts(threads: int) -> tuple[float, float, float]:
    """Return the watts of so many busy threads, between the lowest and the highest: a number that goes with its band.

    Raises:
        ValueError: a number of threads that is no whole number from 1 up.
    """
    whole(threads=threads)
    return threads * math.sqrt(LOWEST_W * HIGHEST_W), threads * LOWEST_W, threads * HIGHEST_W


def joules(seconds: float, threads: int) -> tuple[float, float, float]:
    """Return the joules of `seconds` on busy threads, and the ends of the band; raises `ValueError` for no time."""
    above_zero(seconds=seconds)
    return tuple(seconds * power for power in watts(threads))
