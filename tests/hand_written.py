"""The training loop as one would write it by hand in plain PyTorch: what `labkit.models.training.train` is held to."""

from __future__ import annotations

import torch
from torch import nn


def train(network, images, labels, epochs, batch, lr, seed, device) -> list[float]:
    """Train in place on byte pictures (n, 3, size, size) and labels (n,); return the mean loss of each epoch."""
    network = network.to(device, memory_format=torch.channels_last)
    network.train()
    images, labels = images.to(device), labels.to(device)
    adam = torch.optim.Adam(network.parameters(), lr=lr, fused=device.type != "mps")
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, epochs * -(-len(images) // batch))
    order = torch.Generator().manual_seed(seed)
    losses = []
    for _ in range(epochs):
        total = torch.zeros((), device=device)
        for chosen in torch.randperm(len(images), generator=order).to(device).split(batch):
            pictures = images[chosen].float() / 127.5 - 1
            loss = nn.functional.cross_entropy(network(pictures), labels[chosen])
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
            total += loss.detach() * len(chosen)
        losses.append(total.item() / len(images))
    return losses
