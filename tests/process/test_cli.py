"""The command `labkit` as a shell runs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from labkit.data import data_folder

TABLE = data_folder() / "published" / "training-scaling.csv"


@pytest.mark.parametrize("arguments", [("validate", "--published", str(TABLE)), ("doctor",)], ids=lambda each: each[0])
def test_a_reader_who_has_seen_enough_is_no_error(arguments):
    """As in `labkit validate --published FILE | head -1`."""
    process = subprocess.Popen([sys.executable, "-m", "labkit", *arguments], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(60) == 0
