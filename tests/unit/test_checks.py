"""The self-checks of the exercises: any right answer passes, a wrong one gets a hint, and none breaks the cell."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

import fakes
import numpy as np
import pytest
import torch
from torch import nn

from labkit import checks
from labkit.labs.cats import checks as check
from labkit.labs.cats import distribution_shift
from labkit.labs.cats.experiments import BATCHES
from labkit.models.datasets import cats
from labkit.models.networks.cats import CatNet
from labkit.predict import step

NONSENSE = ["12", "", [], [1], (1, 2, 3), {}, {1: 2}, object(), CatNet, math.nan, 1j, b"", True, lambda: 1]


def verdict(check, capsys, *arguments, **named):
    """Return what a check returns and what it prints."""
    result = check(*arguments, **named)
    text = capsys.readouterr().out
    assert text.count("\n") >= 1
    return result, text


@pytest.mark.parametrize("answer", [100, 100.0, 104.9, 95.1, np.float32(101), np.int64(99), Fraction(201, 2)])
def test_a_right_number_is_accepted_whatever_its_type(answer, capsys):
    result, text = verdict(checks.number, capsys, answer, 100, tolerance=0.05, hint="Count again.")
    assert result is True and text.startswith("Right:")


@pytest.mark.parametrize(("answer", "side"), [(106, "large"), (94, "small"), (-100, "small"), (0, "small"),
                                              (math.inf, "large"), (-math.inf, "small"), (np.int64(7), "small")])
def test_a_wrong_number_gets_its_side_and_a_hint(answer, side, capsys):
    result, text = verdict(checks.number, capsys, answer, 100, tolerance=0.05, hint="Count again.")
    assert result is False and text.startswith("Not yet:")
    assert f"too {side}" in text and "Count again." in text


def test_numbers_are_shown_with_the_digits_that_matter(capsys):
    assert "23,456 is too large" in verdict(checks.number, capsys, 23_456, 23_455, tolerance=0, hint="")[1]


def test_no_answer_is_neither_right_nor_wrong(capsys):
    for ask in (
        lambda: checks.number(None, 1, tolerance=0, hint=""),
        lambda: checks.holds(None, bool, right="", hint=""),
        lambda: check.parameters(None, width=32),
        lambda: check.large_enough_batch(None, fakes.machine(), width=16),
        lambda: check.activations_share(None, width=16, batch=1024),
        lambda: check.mended(None),
    ):
        result, text = verdict(ask, capsys)
        assert result is None and text.strip() == checks.NOT_YET


@pytest.mark.parametrize("answer", NONSENSE, ids=lambda answer: type(answer).__name__)
def test_nonsense_is_refused_and_breaks_nothing(answer, capsys):
    for ask in (
        lambda: checks.number(answer, 12, tolerance=0.1, hint=""),
        lambda: check.parameters(answer, width=32),
        lambda: check.large_enough_batch(answer, fakes.machine(), width=4) if answer is not True else False,
        lambda: check.activations_share(answer, width=16, batch=1024),
        lambda: check.mended(answer),
    ):
        assert ask() is False
    assert "Right" not in capsys.readouterr().out


def test_a_condition_that_raises_is_a_wrong_answer(capsys):
    for error in (TypeError, ValueError, KeyError, AttributeError, RuntimeError, StopIteration, ZeroDivisionError):
        def condition(answer, error=error):
            raise error("broken")

        result, text = verdict(checks.holds, capsys, 1, condition, right="Good.", hint="Try this.")
        assert result is False and "Try this." in text


def test_an_interrupt_is_not_an_answer():
    def condition(answer):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        checks.holds(1, condition, right="", hint="")


# Lab 1.3


@pytest.mark.parametrize("width", [4, 16, 32])
def test_the_parameters_are_those_of_the_network(width, capsys):
    count = sum(p.numel() for p in CatNet(width).parameters())
    assert check.parameters(count, width) is True
    assert check.parameters(count + 1, width) is False
    assert "bias" in capsys.readouterr().out


@pytest.mark.parametrize("width", [4, 8, 16, 32])
def test_the_large_enough_batch_is_what_the_definition_says(width, capsys):
    here = fakes.machine()
    each = {b: sum(step.seconds(here.calibration("operators"), "inference", width, b).values()) / b for b in BATCHES}
    best = min(each.values())
    smallest = next(b for b in BATCHES if each[b] <= 1.1 * best)
    assert check.large_enough_batch(smallest, here, width) is True
    accepted = [b for b in BATCHES if check.large_enough_batch(b, here, width)]
    assert 1 not in accepted and 1024 not in accepted
    for batch in accepted:  # give or take a reading
        assert each[batch] <= 1.15 * best
        assert all(each[smaller] > 1.05 * best for smaller in BATCHES if smaller < batch)
    for off in (100, 0, -1, 2048):
        result, text = verdict(check.large_enough_batch, capsys, off, here, width)
        assert result is False and "the slider has the batches 1, 2" in text


def test_the_share_of_the_activations_is_asked_for_in_percent(capsys):
    parts = step.memory("training step", 16, 1024)
    share = parts["activations"] / sum(parts.values())
    assert check.activations_share(100 * share, 16, 1024) is True
    assert check.activations_share(round(100 * share), 16, 1024) is True
    result, text = verdict(check.activations_share, capsys, share, 16, 1024)
    assert result is False and "percent" in text


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


def test_a_network_that_knows_every_kind_is_mended(capsys):
    result, text = verdict(check.mended, capsys, (Oracle(), 300))
    assert result is True, text
    assert verdict(check.mended, capsys, [Oracle(), 0])[0] is True


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
def test_what_is_not_mended_gets_a_hint(answer, capsys):
    result, text = verdict(check.mended, capsys, answer())
    assert result is False
    assert "mix old pictures in" in text
