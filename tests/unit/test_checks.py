"""The self-checks of the exercises: any right answer passes, a wrong one gets a hint, and none breaks the cell."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import fakes
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from torch import nn

from labkit import checks
from labkit.labs.cats import checks as check
from labkit.labs.cats import distribution_shift
from labkit.labs.cats.experiments import BATCHES
from labkit.models.datasets import cats
from labkit.models.networks.cats import CatNet
from labkit.predict import step

NONSENSE = ["12", "", [], [1], (1, 2, 3), {}, {1: 2}, object(), CatNet, math.nan, 1j, b"", True, lambda: 1]


@pytest.mark.parametrize("answer", [100, 100.0, 104.9, 95.1, np.float32(101), np.int64(99), Fraction(201, 2)])
def test_a_right_number_is_accepted_whatever_its_type(answer):
    verdict = checks.number(answer, 100, tolerance=0.05, hint="Count again.")
    assert verdict and verdict.ok is True and str(verdict).startswith("Right:")


@pytest.mark.parametrize(("answer", "side"), [(106, "large"), (94, "small"), (-100, "small"), (0, "small"),
                                              (math.inf, "large"), (-math.inf, "small"), (np.int64(7), "small")])
def test_a_wrong_number_gets_its_side_and_a_hint(answer, side):
    verdict = checks.number(answer, 100, tolerance=0.05, hint="Count again.")
    assert not verdict and verdict.ok is False and str(verdict).startswith("Not yet:")
    assert f"too {side}" in verdict.why and "Count again." in verdict.why


def test_numbers_are_shown_with_the_digits_that_matter():
    assert "23,456 is too large" in str(checks.number(23_456, 23_455, tolerance=0, hint=""))
    assert "65,504 it is" in str(checks.number(65_504.0, 65_504, tolerance=0, hint=""))
    assert "2.732 it is" in str(checks.number(2.7321, 2.73, tolerance=0.01, hint=""))


def test_a_grader_reads_what_was_given_and_what_would_be_right_and_a_reader_does_not_see_it():
    verdict = checks.number(7, 100, tolerance=0.05, hint="Count again.")
    assert (verdict.given, verdict.expected) == ("7", "95 to 105")
    slider = checks.on_slider(2, (1, 2, 4), lambda value: value > 2, right="", hint="Try.")
    assert (slider.given, slider.expected) == ("2", "4")
    assert "95" not in str(verdict) and "4" not in str(slider)


def test_a_notebook_shows_a_verdict_in_words():
    plain = DisplayFormatter().format(checks.number(1, 1, tolerance=0, hint=""))[0]["text/plain"]
    assert plain == "Right: 1 it is."


def test_no_answer_is_neither_right_nor_wrong():
    for verdict in (
        checks.number(None, 1, tolerance=0, hint=""),
        checks.holds(None, bool, expected="", right="", hint=""),
        checks.on_slider(None, (1, 2), bool, right="", hint=""),
        check.mended(None),
    ):
        assert verdict.state == checks.NOT_ATTEMPTED and verdict.ok is None and not verdict
        assert str(verdict) == checks.NOT_YET


@pytest.mark.parametrize("answer", NONSENSE, ids=lambda answer: type(answer).__name__)
def test_nonsense_is_refused_and_breaks_nothing(answer):
    for verdict in (checks.number(answer, 12, tolerance=0.1, hint=""), check.mended(answer)):
        assert verdict.ok is False and verdict.given


def test_a_condition_that_raises_is_a_wrong_answer():
    for error in (TypeError, ValueError, KeyError, AttributeError, RuntimeError, StopIteration, ZeroDivisionError):
        def condition(answer, error=error):
            raise error("broken")

        verdict = checks.holds(1, condition, expected="two", right="Good.", hint="Try this.")
        assert verdict.ok is False and "Try this." in verdict.why and verdict.expected == "two"


def test_an_answer_too_long_to_show_is_shortened():
    verdict = checks.holds([1.0] * 1_000_000, lambda answer: False, expected="", right="", hint="")
    assert len(verdict.given) < 100


def test_an_interrupt_is_not_an_answer():
    def condition(answer):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checks.holds(1, condition, expected="", right="", hint="")


# Lab 1.3


@pytest.mark.parametrize("width", [4, 16, 32])
def test_the_parameters_are_those_of_the_network(width):
    count = sum(p.numel() for p in CatNet(width).parameters())
    assert check.parameters(count, width).ok is True
    wrong = check.parameters(count + 1, width)
    assert wrong.ok is False and "bias" in wrong.why


@pytest.mark.parametrize("width", [4, 8, 16, 32])
def test_the_large_enough_batch_is_what_the_definition_says(width):
    here = fakes.machine()
    each = {b: sum(step.seconds(here.calibration("operators"), "inference", width, b).values()) / b for b in BATCHES}
    best = min(each.values())
    smallest = next(b for b in BATCHES if each[b] <= 1.1 * best)
    assert check.large_enough_batch(smallest, here, width).ok is True
    accepted = [b for b in BATCHES if check.large_enough_batch(b, here, width)]
    assert 1 not in accepted and 1024 not in accepted
    for batch in accepted:  # give or take a reading
        assert each[batch] <= 1.15 * best
        assert all(each[smaller] > 1.05 * best for smaller in BATCHES if smaller < batch)
    for off in (100, 0, -1, 2048):
        verdict = check.large_enough_batch(off, here, width)
        assert verdict.ok is False and "it must be one of 1, 2" in verdict.why


def test_the_share_of_the_activations_is_asked_for_in_percent():
    parts = step.memory("training step", 16, 1024)
    share = parts["activations"] / sum(parts.values())
    assert check.activations_share(100 * share, 16, 1024).ok is True
    assert check.activations_share(round(100 * share), 16, 1024).ok is True
    wrong = check.activations_share(share, 16, 1024)
    assert wrong.ok is False and "percent" in wrong.why


def key(image):
    return hash(image.to(torch.uint8).numpy().tobytes())


@cache
def every_kind() -> dict[int, int]:
    """Return the class of each picture that `mended` may show."""
    sets = [distribution_shift.pictures(coat) for coat in cats.COATS]
    sets.append(cats.load(distribution_shift.CATS_A_COAT, seed=distribution_shift.SEED, balance=(0, 1, 1)))
    return {key(image): truth for pictures in sets
            for image, truth in zip(pictures.images, pictures.truth.tolist(), strict=True)}


class Oracle(nn.Module):
    """Answers as it is told: what it says to each kind of picture, which it knows by heart."""

    def __init__(self, wrong: float = 0.0, always: int | None = None):
        super().__init__()
        self.nothing = nn.Parameter(torch.zeros(1))
        self.wrong, self.always = wrong, always
        self.known = every_kind()

    def forward(self, pictures):
        images = ((pictures + 1) * 127.5).round()
        shown = [self.known[key(image)] for image in images]
        answers = torch.tensor(shown if self.always is None else [self.always] * len(images))
        answers[: round(self.wrong * len(answers))] += 1
        return nn.functional.one_hot(answers % 3, 3).float()


def test_a_network_that_knows_every_kind_is_mended():
    verdict = check.mended((Oracle(), 300))
    assert verdict.ok is True and "With 300 pictures: 100.0%" in verdict.found, verdict
    assert check.mended([Oracle(), 0]).ok is True


@pytest.mark.parametrize(
    "answer",
    [
        lambda: (Oracle(), 301),
        lambda: (Oracle(wrong=0.2), 300),
        lambda: (Oracle(always=0), 300),  # taught nothing but cats, it sees nothing but cats
        lambda: Oracle(),
        lambda: CatNet(),
        lambda: (300, Oracle()),
        lambda: (Oracle(), None),
        lambda: (Oracle(), "many"),
        lambda: (nn.Linear(3, 3), 300),
        lambda: (nn.ReLU(), 300),
        lambda: (CatNet(size=64), 300),
    ],
)
def test_what_is_not_mended_gets_a_hint(answer):
    verdict = check.mended(answer())
    assert verdict.ok is False and "mix old pictures in" in verdict.why
