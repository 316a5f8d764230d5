"""What the framework itself counts of a network: the numbers that every formula of the course must equal."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


def count(network: nn.Module, data: Tensor) -> dict[str, int]:
    """Count a network's parameters, and the operations and bytes of one pass over `data`.

    Returns:
        `"parameters"` and `"bytes of parameters"`; `"operations"` of an inference and `"operations in training"`, by
        PyTorch's own counter; `"bytes moved"`, which are the weights, inputs and outputs of every layer that has
        weights; `"bytes saved"`, which autograd holds for the way back beside the weights.
    """
    weights, bytes_moved = list(network.parameters()), []

    def look(layer, inputs, output):
        bytes_moved.append(_bytes([*layer.parameters(), *inputs, output]))

    hooks = [m.register_forward_hook(look) for m in network.modules() if isinstance(m, (nn.Linear, nn.Conv2d))]
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        network(data)
    for hook in hooks:
        hook.remove()

    saved = {}

    def keep(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.nbytes  # the same numbers may be kept by two operations
        return tensor

    with FlopCounterMode(display=False) as both, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(data).sum().backward()
    for weight in weights:
        saved.pop(weight.untyped_storage().data_ptr(), None)
        weight.grad = None
    return {
        "parameters": sum(weight.numel() for weight in weights),
        "bytes of parameters": _bytes(weights),
        "operations": forward.get_total_flops(),
        "operations in training": both.get_total_flops(),
        "bytes moved": sum(bytes_moved),
        "bytes saved": sum(saved.values()),
    }


def _bytes(tensors) -> int:
    return sum(tensor.nbytes for tensor in tensors)
