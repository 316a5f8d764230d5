"""What the zoo of machines keeps of its runs, and the table that the book shows of it."""

from __future__ import annotations

import pytest
import zoo

from labkit.pages import machines_tried


@pytest.fixture
def record(tmp_path, monkeypatch):
    (tmp_path / "measured").mkdir()
    monkeypatch.setattr(machines_tried, "data_folder", lambda: tmp_path)
    machines_tried.rows.cache_clear()
    yield tmp_path / "measured" / "zoo.csv"
    machines_tried.rows.cache_clear()


def line(variant="one_core", lab="2.2", **changes):
    usual = {"machine": "A processor", "date": "2026-01-02", "variant": variant, "effort": "quick", "lab": lab,
             "seconds": 20, "held": 5, "surprises": "", "untested": 0, "failed": "", "others": ""}
    return zoo.Line(**usual | changes)


def test_a_new_run_takes_the_place_of_the_old_one_and_the_others_stay(record):
    zoo.record([line(failed="code cell 7 of 20: ValueError: no"), line(lab="1.1")], record)
    zoo.record([line(surprises="slower far-away", untested=2), line("plain", others="3")], record)
    assert machines_tried.table().rows == (
        ("A processor: as it is", "1 of 1", "20 to 20", "3 to 3 %", "none", "none"),
        ("A processor: one core", "2 of 2", "20 to 20", "not known", "2, in 2.2", "2, in 2.2"))


def test_the_table_says_which_labs_did_not_reach_their_end(record):
    zoo.record([line(lab="1.1", seconds=9), line(failed="code cell 7 of 20: ValueError: no")], record)
    assert machines_tried.table().rows == (
        ("A processor: one core", "1 of 2", "9 to 20", "not known", "none", "none"),)


def test_without_a_record_the_table_is_empty(record):
    assert machines_tried.table().rows == ()


def test_every_variant_has_a_name_for_readers():
    assert machines_tried.VARIANTS.keys() == zoo.VARIANTS.keys()
