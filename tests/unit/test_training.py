"""The loop that every lab runs: it does what one by hand does, repeats itself, and stops when told."""

from __future__ import annotations

import math
import threading

import hand_written
import psutil
import pytest
import torch

from labkit import device as devices
from labkit.models.datasets import cats
from labkit.models.networks.cats import CatNet
from labkit.models.training import probabilities, train
from labkit.progress import Cancelled, watch

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pictures():
    return cats.draw(600, seed=2)


def fresh(seed=0, width=8):
    torch.manual_seed(seed)
    return CatNet(width)


@devices.threads(1)
def test_a_seed_decides_the_losses(pictures):
    def losses(seed):
        network = fresh()
        return train(network, pictures.images, pictures.labels, epochs=2, seed=seed, device=CPU).losses

    assert losses(1) == pytest.approx(losses(1), rel=1e-6)
    assert losses(1) != pytest.approx(losses(2), rel=1e-6)


@devices.threads(1)
def test_it_does_what_the_loop_by_hand_does(pictures):
    arguments = {"epochs": 2, "batch": 96, "lr": 4e-3, "seed": 5, "device": CPU}  # the last batch is a short one
    ours, plain = fresh(), fresh()
    run = train(ours, pictures.images, pictures.labels, **arguments)
    losses = hand_written.train(plain, pictures.images, pictures.labels, **arguments)
    assert run.losses == pytest.approx(losses, rel=1e-3)
    for a, b in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-3)


@pytest.mark.parametrize(
    ("images", "labels", "arguments"),
    [
        (0, 0, {}), (5, 4, {}), (5, 0, {}), (5, 5, {"batch": 0}), (5, 5, {"batch": -1}), (5, 5, {"epochs": 0}),
        (5, 5, {"batch": 2.5}),
        (5, 5, {"lr": 0}), (5, 5, {"lr": -1e-3}), (5, 5, {"lr": math.nan}),
    ],
)
def test_what_cannot_be_trained_on_is_refused_and_changes_nothing(images, labels, arguments, pictures):
    network = fresh()
    before = [p.clone() for p in network.parameters()]
    words = r"as many labels as pictures|whole number from 1 up|must be a finite number above 0"
    with pytest.raises(ValueError, match=words):
        train(network, pictures.images[:images], pictures.labels[:labels], **arguments)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_one_picture_and_a_batch_larger_than_all_are_enough(pictures):
    assert math.isfinite(train(fresh(), pictures.images[:1], pictures.labels[:1], epochs=1, batch=1024).losses[0])


def test_probabilities_add_up_whatever_the_batch(pictures):
    network = fresh()
    whole = probabilities(network, pictures.images[:100])
    assert whole.shape == (100, 3)
    assert torch.allclose(whole.sum(1), torch.ones(100))
    assert torch.allclose(whole, probabilities(network, pictures.images[:100], batch=7), atol=1e-5)


# Stopping


def test_a_training_ends_with_its_time_and_says_how_far_it_came(pictures):
    network = fresh()
    run = train(network, pictures.images, pictures.labels, epochs=1000, batch=64, seconds=0.3)
    assert not run.complete and 0 < run.pictures < run.planned == 1000 * 600
    assert run.seconds < 10 and all(map(math.isfinite, run.losses))
    assert train(network, pictures.images[:64], pictures.labels[:64], epochs=1, seconds=100).complete
    for seconds in (0, -1, math.nan):
        with pytest.raises(ValueError, match="seconds"):
            train(network, pictures.images[:64], pictures.labels[:64], seconds=seconds)


def test_cancel_ends_the_training_and_leaves_nothing_running(pictures):
    threads, children = set(threading.enumerate()), psutil.Process().children(recursive=True)
    cancelled, seen = threading.Event(), []

    def show(fraction, text):
        seen.append((fraction, text))
        if len(seen) == 3:
            cancelled.set()

    with watch(show, cancelled), pytest.raises(Cancelled):
        train(fresh(), pictures.images, pictures.labels, epochs=1000)
    assert len(seen) == 3 and seen[2] == (2 / 1000, "Epoch 3 of 1000")
    assert set(threading.enumerate()) <= threads
    assert psutil.Process().children(recursive=True) == children
