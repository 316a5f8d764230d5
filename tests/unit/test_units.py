"""Numbers as people read them."""

import random
import re

import pytest

from labkit.units import percent, quantity

_BINARY = {"": 1, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_DECIMAL = {"": 1, "n": 1e-9, "µ": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.00123, "s", "1.23 ms"),
        (0, "s", "0 s"),
        (90, "s", "90 s"),
        (3.35e12, "B/s", "3.35 TB/s"),
        (8 * 2**30, "B", "8 GiB"),
        (0, "B", "0 B"),
        (94.26, "%", "94.3 %"),
        (0.001, "%", "0.001 %"),
        (4.93e-5, "%", "less than 0.001 %"),
        (3e-117, "%", "less than 0.001 %"),
        (0, "%", "0 %"),
        (4.93e-5, "days", "0.0000493 days"),
        (3e-117, "pictures", "0 pictures"),
        (3e-117, "s", "0 ns"),
        (1.004, "times", "1.00 times"),
        (1, "times", "1.00 times"),
        (2.5, "times", "2.5 times"),
        (50_000, "pictures", "50,000 pictures"),
        (2.5, "", "2.5"),
        (-0.002, "s", "-2 ms"),
    ],
)
def test_numbers_as_people_read_them(value, unit, text):
    assert quantity(value, unit) == text


@pytest.mark.parametrize("unit", ["s", "B", "B/s", "FLOP/s", "J"])
def test_what_is_written_is_the_number_to_three_digits(unit):
    rng = random.Random(3)
    prefixes = _BINARY if unit == "B" else _DECIMAL
    for _ in range(500):
        value = 10 ** rng.uniform(0 if unit == "B" else -8, 4 if unit == "s" else 17)
        number, prefix = re.fullmatch(rf"([\d.,]+) (\D*?){unit}", quantity(value, unit)).groups()
        assert float(number.replace(",", "")) * prefixes[prefix] == pytest.approx(value, rel=0.0051), value
        assert unit == "s" or len(number.replace(",", "").replace(".", "").strip("0")) <= 4


@pytest.mark.parametrize(("share", "digits", "text"),
                         [(0.5, 0, "50 %"), (0.1234, 1, "12.3 %"), (-0.02, 0, "-2 %"), (12, 0, "1,200 %")])
def test_shares_as_people_read_them(share, digits, text):
    assert percent(share, digits) == text
