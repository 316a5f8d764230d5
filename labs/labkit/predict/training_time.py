"""How long a whole training takes on many accelerators, and what it draws, by counting operations."""

from __future__ import annotations

from labkit.inputs import above_zero

EACH = 6  # FLOP for each parameter and token, forward and backward (Kaplan et al. 2020, arXiv:2001.08361, section 2.1)


def operations(parameters: float, tokens: float) -> float:
    """Return the operations of training a language model once over its tokens; attention's own are left out."""
    above_zero(parameters=parameters, tokens=tokens)
    return EACH * parameters * tokens


def seconds(work: float, accelerators: int, peak: float, reached: float) -> float:
    """Return the seconds that some operations take.

    Args:
        work: operations.
        accelerators: how many share them.
        peak: of each, in FLOP/s.
        reached: the share of the peak that arrives, over everything that slows a training down; above 0, up to 1.

    Raises:
        ValueError: an amount that is not above 0 or not finite, or a share above 1.
    """
    above_zero(work=work, accelerators=accelerators, peak=peak, reached=reached)
    if reached > 1:
        raise ValueError(f"No accelerator reaches more than its peak: the share is at most 1, not {reached}.")
    return work / (accelerators * peak * reached)


def reached(work: float, accelerator_seconds: float, peak: float) -> float:
    """Return the share of its peak that a training reached, from the accelerators' seconds, all added up."""
    above_zero(work=work, accelerator_seconds=accelerator_seconds, peak=peak)
    return work / (accelerator_seconds * peak)
