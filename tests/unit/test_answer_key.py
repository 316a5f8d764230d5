"""The key for instructors: every exercise of every lab, with what is right on the recorded machine."""

from __future__ import annotations

from labkit.labs.lab import labs
from labkit.pages import answer_key


def test_every_exercise_stands_in_the_key_and_most_have_an_answer():
    rows = answer_key.table().rows
    assert {lab for lab, _, _ in rows} == {lab.number for lab in labs()}
    for lab in labs():
        numbers = [int(number) for which, number, _ in rows if which == lab.number]
        assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= 4
    assert all(right for _, _, right in rows)
    assert sum(right != answer_key.RUN for _, _, right in rows) > len(rows) / 2


def test_what_can_be_counted_is_what_counting_gives():
    key = {(lab, number): right for lab, number, right in answer_key.table().rows}
    assert key["1.2", "1"] == f"{785 * 300 + 301 * 100 + 101 * 10:,}"
    assert key["1.2", "3"] == "9" and key["4.4", "2"] == "3" and key["2.1", "2"] == "9"
