"""Numbers as people read them: three significant digits, a prefix, a unit.

Rates and times take decimal prefixes (GB/s, ms); capacities take binary ones (GiB).
"""

from __future__ import annotations

import math
import re

_DECIMAL = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_MOST_DIGITS = 12  # after the point
_BINARY = ["", "Ki", "Mi", "Gi", "Ti", "Pi"]
LEAST_PERCENT = 0.001  # a smaller share decides nothing, and its digits tell nobody anything
PREFIXED = ("s", "B/s", "FLOP/s", "OP/s", "FLOP", "J", "W", "bit/s", "Hz")


def _three_digits(number: float) -> str:
    if number == 0:
        return "0"
    digits = min(max(0, 2 - math.floor(math.log10(abs(number)))), _MOST_DIGITS)
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def quantity(value: float, unit: str) -> str:
    """Return `value` in `unit` with three significant digits, as in `quantity(0.00123, "s") == "1.23 ms"`."""
    if unit == "B":
        step = min(int(math.log2(abs(value)) // 10), len(_BINARY) - 1) if abs(value) >= 1 else 0
        return f"{_three_digits(value / 1024**step)} {_BINARY[step]}B"
    if unit in PREFIXED and value:
        exponent = min(max(3 * math.floor(math.log10(abs(value)) / 3), -9), 18)
        if unit == "s" and exponent > 0:
            exponent = 0
        return f"{_three_digits(value / 10.0**exponent)} {_DECIMAL[exponent]}{unit}"
    if unit == "%" and 0 < value < LEAST_PERCENT:
        return f"less than {LEAST_PERCENT} %"
    if unit == "times" and _three_digits(value) == "1":
        return "1.00 times"
    one = value == 1 and re.fullmatch("[a-z]{2,}s", unit)  # 1 picture, 2 pictures
    return f"{_three_digits(value)} {unit[:-1] if one else unit}".rstrip()


def percent(share: float, digits: int = 0) -> str:
    """Return a share of 1 as a percentage, as in `percent(0.125, 1) == "12.5 %"`."""
    return f"{100 * share:,.{digits}f} %"
