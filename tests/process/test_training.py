"""The loop that every lab runs: it learns, costs no more than one by hand, and an interrupt ends it at once."""

from __future__ import annotations

import signal
import sys
import time

import hand_written
import pytest
import torch
from another_python import another_python
from quiet_machine import quiet_machine

from labkit import device as devices
from labkit.models.datasets import cats
from labkit.models.evaluation import evaluate
from labkit.models.networks.cats import CatNet
from labkit.models.training import train
from labkit.timing import clock

CPU = torch.device("cpu")


def fresh(seed=0, width=8):
    torch.manual_seed(seed)
    return CatNet(width)


def test_it_learns(lesson, unseen):
    network, run = lesson
    assert evaluate(network, unseen).accuracy >= 0.97
    assert len(run.losses) == 5 and run.losses[-1] < run.losses[0] / 4
    assert run.pictures == 5 * 6_000
    assert run.rate == pytest.approx(run.pictures / run.seconds)


@quiet_machine
@devices.threads(1)
def test_it_is_as_fast_as_the_loop_by_hand():
    """Nine tenths of its throughput; `make bench` asks for more on a quiet machine."""
    some, arguments = cats.draw(1_280), {"epochs": 1, "batch": 128, "lr": 4e-3, "seed": 0, "device": CPU}
    timings = clock.interleave({
        "ours": lambda: train(fresh(), some.images, some.labels, **arguments),
        "by hand": lambda: hand_written.train(fresh(), some.images, some.labels, **arguments),
    }, budget=0.8)
    assert timings["by hand"].median / timings["ours"].median >= 0.9


ENDLESS = """
import threading
import psutil, torch
from labkit.models.training import train
from labkit.models.networks.cats import CatNet
from labkit.progress import watch
images, labels = torch.zeros(512, 3, 32, 32, dtype=torch.uint8), torch.zeros(512, dtype=torch.int64)
network = CatNet()
try:
    with watch(lambda fraction, text: print(text, flush=True), threading.Event()):
        train(network, images, labels, epochs=10**6)
except KeyboardInterrupt:
    assert not psutil.Process().children(recursive=True)
    assert threading.active_count() == 1
    assert train(network, images, labels, epochs=1).losses
    print("ended", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot send one process an interrupt")
def test_an_interrupt_ends_the_training_at_once_and_it_can_start_again():
    process = another_python(ENDLESS, OMP_NUM_THREADS="1")
    try:
        assert process.stdout.readline().startswith("Epoch 1")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        begin = time.monotonic()
        output, errors = process.communicate(timeout=30)
    finally:
        process.kill()
    assert output.endswith("ended\n"), errors
    assert process.returncode == 0
    assert time.monotonic() - begin < 10
