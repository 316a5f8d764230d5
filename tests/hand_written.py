"""Loops as one would write them by hand in plain PyTorch: what the course's own are held to."""

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


@torch.inference_mode()
def write(network, prompt, count) -> list[int]:
    """Write tokens after a prompt (tokens,), the likeliest each time, with a cache that grows by what is appended."""
    attend, heads, position = nn.functional.scaled_dot_product_attention, network.width // 64, 0
    tokens, kept, written = prompt, [None] * len(network.blocks), []
    for _ in range(count):
        places = torch.arange(position, position + len(tokens), device=tokens.device)
        x, position = network.tokens(tokens) + network.positions(places), position + len(tokens)
        for layer, block in enumerate(network.blocks):
            queries, *new = block.queries_keys_values(block.norm1(x)).view(len(x), 3, heads, 64).permute(1, 2, 0, 3)
            kept[layer] = new if kept[layer] is None else [
                torch.cat(pair, 1) for pair in zip(kept[layer], new, strict=True)]
            mixed = attend(queries, *kept[layer], is_causal=len(x) > 1)
            x = x + block.out(mixed.transpose(0, 1).flatten(1))
            x = x + block.down(nn.functional.gelu(block.up(block.norm2(x))))
        tokens = network.head(network.norm(x[-1:])).argmax(1)
        written.append(int(tokens))
    return written
