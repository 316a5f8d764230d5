"""Training and using a classifier: the loop that every lab runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import perf_counter

import torch
from torch import Tensor, nn

from labkit import device as devices
from labkit.inputs import above_zero, whole
from labkit.models.networks.cats import as_input
from labkit.progress import report


@dataclass
class Run:
    """What a training run did.

    Args:
        planned: how many pictures it was to look at, repetitions included.
        pictures: how many it looked at: fewer where its time was spent before.
        seconds: wall-clock seconds of the training itself.
        losses: mean loss of each epoch, the last one as far as it went.
    """

    planned: int
    pictures: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether it saw all the pictures that it was to see."""
        return self.pictures == self.planned

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.pictures / self.seconds


def to_device(network: nn.Module, device: torch.device) -> nn.Module:
    """Put a network on the device, its convolutions' weights in the layout that convolutions read fastest."""
    return network.to(device, memory_format=devices.layout(device))


def optimiser(network: nn.Module, lr: float = 1e-3) -> torch.optim.Optimizer:
    """Return Adam with a learning rate; its default is that of Kingma and Ba, 2015."""
    parameters = list(network.parameters())
    return torch.optim.Adam(parameters, lr=lr, fused=parameters[0].device.type != "mps")


def step(network: nn.Module, adam: torch.optim.Optimizer, pictures: Tensor, labels: Tensor,
         scaler: torch.amp.GradScaler | None = None) -> Tensor:
    """Run one training step on float pictures (n, 3, size, size) and labels (n,); return the loss.

    A scaler multiplies the loss, and so all gradients, before the way back, and divides the gradients afterwards.
    """
    adam.zero_grad()
    loss = nn.functional.cross_entropy(network(pictures), labels)
    if scaler is None:
        loss.backward()
        adam.step()
    else:
        scaler.scale(loss).backward()
        scaler.step(adam)
        scaler.update()
    return loss.detach()


def train(network: nn.Module, images: Tensor, labels: Tensor, *, epochs: int = 4, batch: int = 128,
          lr: float = 4e-3, seed: int = 0, device: torch.device | None = None,
          scaler: torch.amp.GradScaler | None = None, seconds: float = math.inf) -> Run:
    """Train a network in place, the learning rate falling along a half cosine (Loshchilov and Hutter 2017).

    Args:
        network: maps float pictures to scores.
        images: byte pictures (n, 3, size, size).
        labels: int64 (n,), or what the network should think likely, float (n, classes).
        epochs: times that every picture is seen.
        batch: pictures in a step; the last step of an epoch takes what is left.
        lr: the learning rate at the start.
        seed: of the order of the pictures.
        device: where to train; the best that this machine has unless given.
        scaler: of the loss, for gradients that a narrow format would lose; none unless given.
        seconds: after which it ends, epochs left or not; the learning rate then falls with the time that is spent.

    Raises:
        ValueError: no pictures, labels of another number, or a batch, epochs, learning rate or time that is none.
        MemoryError: the device has too little memory for the batch.
    """
    if len(images) == 0 or len(images) != len(labels):
        raise ValueError(f"Training needs as many labels as pictures, and some: not {len(images)} and {len(labels)}.")
    whole(batch=batch, epochs=epochs)
    above_zero(lr=lr)
    if not seconds > 0:
        raise ValueError(f"A training needs more than {seconds!r} seconds.")
    devices.settle()
    device = torch.device(device or devices.best())
    batch = min(batch, len(images))
    with devices.memory_for(f"Training in batches of {batch:,}"):
        to_device(network, device).train()
        images, labels = images.to(device), labels.to(device)
        adam = optimiser(network, lr)
        order = torch.Generator().manual_seed(seed)
        steps = epochs * math.ceil(len(images) / batch)
        run, start = Run(planned=epochs * len(images)), perf_counter()

        def spent(done: int) -> float:
            return min(max(done / steps, (perf_counter() - start) / seconds), 1.0)

        schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda done: (1 + math.cos(math.pi * spent(done))) / 2)
        for epoch in range(epochs):
            report(epoch / epochs, f"Epoch {epoch + 1} of {epochs}")
            total, seen = torch.zeros((), device=device), 0
            for chosen in torch.randperm(len(images), generator=order).to(device).split(batch):
                pictures = as_input(images[chosen])
                total += step(network, adam, pictures, labels[chosen], scaler) * len(chosen)
                seen += len(chosen)
                schedule.step()
                if perf_counter() - start > seconds:
                    break
            run.losses.append(float(total) / seen)
            run.pictures += seen
            if perf_counter() - start > seconds:
                break
        run.seconds = perf_counter() - start
    return run


@torch.inference_mode()
def probabilities(network: nn.Module, images: Tensor, *, batch: int = 1024) -> Tensor:
    """Return the network's probabilities (n, classes) for byte pictures (n, 3, size, size), on the CPU."""
    device = next(network.parameters()).device
    network.eval()
    parts = [network(as_input(some.to(device))).softmax(1) for some in images.split(batch)]
    return torch.cat(parts).cpu()
