"""Every lab reaches its last cell on every machine that this one can be made to behave like."""

from __future__ import annotations

import pytest
import zoo

from labkit.labs.lab import labs


@pytest.mark.parametrize("variant", zoo.VARIANTS)
def test_every_lab_reaches_its_last_cell(variant):
    try:
        lines = list(zoo.on(variant, list(labs()), "quick"))
    except zoo.Impossible as reason:
        pytest.skip(f"{variant} cannot be made here: {reason}")
    assert not [str(line) for line in lines if line.failed]
