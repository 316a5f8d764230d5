"""How far a vehicle goes before it stands: on while the answer is awaited, then braking.

Speeds are in m/s, distances in metres, times in seconds.
"""

from __future__ import annotations

import math

COMFORTABLE = 3.4  # m/s²: what roads are designed for; most drivers brake harder (AASHTO 2018, Green Book)
MPH = 0.44704  # m/s, exactly
# Metres of thinking and of braking by mph (Department for Transport, The Highway Code, rule 126)
HIGHWAY_CODE = {20: (6, 6), 30: (9, 14), 40: (12, 24), 50: (15, 38), 60: (18, 55), 70: (21, 75)}
HARD = (70 * MPH) ** 2 / 2 / HIGHWAY_CODE[70][1]  # m/s²: what the Highway Code's braking distance from 70 mph comes to
HUMAN = {"expected": 0.7, "unexpected": 1.25, "surprise": 1.5}  # s, from signal to brake (Green 2000, abstract)


def distance(speed: float, answer: float, deceleration: float = HARD) -> dict[str, float]:
    """Return the metres travelled until the answer, and those of braking.

    Args:
        speed: m/s.
        answer: seconds from what is seen to the brake.
        deceleration: m/s².

    Raises:
        ValueError: a negative speed or answer, no deceleration, or a number that is not finite.
    """
    numbers = (speed, answer, deceleration)
    if not all(map(math.isfinite, numbers)) or speed < 0 or answer < 0 or deceleration <= 0:
        raise ValueError(f"Stopping needs a speed and an answer from 0 and a deceleration above 0, not {numbers}.")
    return {"until the answer": speed * answer, "braking": speed**2 / 2 / deceleration}


def budget(speed: float, sight: float, deceleration: float = HARD) -> float:
    """Return the most seconds an answer may take for the vehicle to stand within `sight` metres; below 0: too fast."""
    if speed <= 0:
        raise ValueError(f"A vehicle that stands needs no answer: the speed must be above 0, not {speed}.")
    return (sight - distance(speed, 0, deceleration)["braking"]) / speed
