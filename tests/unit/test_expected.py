"""What an instructor may expect of each lab: recorded machines beside the course's own, and what the zoo says."""

from __future__ import annotations

import pytest

from labkit import recorded
from labkit.labs.lab import labs
from labkit.pages import expected, machines_tried


@pytest.fixture
def two_machines(monkeypatch):
    def machine(name, *values):
        numbers = [recorded.Number(value=value, low=value, high=value) for value in values]
        points = [recorded.Point(at={}, predicted=one, carried=one, measured=one) for one in numbers]
        missing = recorded.Point(at={}, predicted=None, carried=None, measured=None, note="It has none.")
        part = recorded.Part(lab="1.1", experiment="Matrix products", unit="FLOP/s", points=(*points, missing))
        return recorded.Recorded(machine=name, date="2026-12-01", effort="quick", disturbed="", computer={},
                                 software={}, parts=(part,), surprises=())

    monkeypatch.setattr(recorded, "machines", lambda: (machine("A Mac", 2e9, 9e9, 5e9), machine("A node", 1e13)))


def test_a_recorded_machine_stands_beside_the_courses_own(two_machines):
    table = expected.measured()
    assert table.heads[:2] == ("lab", "experiment") and table.heads[-2:] == ("A Mac", "A node")
    (row,) = [row for row in table.rows if row[1] == "Matrix products"]
    assert row[-2:] == ("2 GFLOP/s to 9 GFLOP/s", "10 TFLOP/s") and "FLOP/s" in row[2]
    assert all(row[-1] == expected.NOTHING for row in table.rows if row[1] != "Matrix products")


def test_every_lab_has_its_row_of_emulated_machines(monkeypatch):
    rows = [{"lab": "1.1", "held": "6", "seconds": "31", "surprises": ""},
            {"lab": "1.1", "held": "4", "seconds": "90", "surprises": "SLOW"}]
    monkeypatch.setattr(machines_tried, "rows", lambda: rows)
    found = {row[0]: row[1:] for row in expected.emulated().rows}
    assert found.keys() == {lab.number for lab in labs()}
    assert found["1.1"] == ("2", "4 to 6", "on 1 of 2", "31 to 90") and found["4.5"][0] == "none yet"
