"""A network in few bits, as far as training can feel it: rounding in the forward pass, none backward.

Weights and activations go to the nearest of 2^bits levels and come back as floats ("fake quantisation"); the gradient
passes through the rounding as if it were not there, and is cut off outside the range (the straight-through estimator
of Jacob et al. 2018, section 3, doi:10.1109/CVPR.2018.00286).
"""

from __future__ import annotations

import copy
from numbers import Integral

import torch
from torch import Tensor, nn

from labkit.models.networks.cats import as_input

MOMENTUM = 0.05  # of a new batch in the running range of the activations; Jacob et al. 2018 average likewise
BITS = range(2, 9)


class Quantised(nn.Module):
    """A network of convolutions, dense layers and ReLUs that rounds as its version in whole numbers will.

    Weights have one scale for each channel written, without an offset; activations one scale and one offset for each
    tensor, from running extremes. Biases stay as they are: the runtime keeps them in 32 bits.

    Args:
        network: what is quantised; its parameters are shared, so training this trains it.
        bits: of weights.
        activations: bits of activations.

    Shapes: those of the network.

    Raises:
        ValueError: a number of bits outside 2 to 8, or a network without layers that hold weights.
    """

    def __init__(self, network: nn.Sequential, bits: int = 8, activations: int = 8):
        for name, count in (("weights", bits), ("activations", activations)):
            if not isinstance(count, Integral) or count not in BITS:
                raise ValueError(f"The {name} can have {BITS[0]} to {BITS[-1]} bits, not {count!r}.")
        if not any(map(weighted, network)):
            raise ValueError("There is nothing to quantise: the network has no convolution and no dense layer.")
        super().__init__()
        self.network, self.bits, self.activations = network, bits, activations
        self.register_buffer("ranges", torch.zeros(len(network) + 1, 2))  # of the input, then of each module's output

    @classmethod
    def of(cls, network: nn.Sequential, images: Tensor, bits: int = 8) -> Quantised:
        """Return a copy of a trained network, quantised after training.

        Args:
            network: stays as it is.
            images: byte pictures (n, 3, size, size) that show which activations occur.
            bits: of weights.

        Raises:
            ValueError: as the class, or no pictures.
        """
        if not len(images):
            raise ValueError("Quantising needs one picture or more, to see which activations occur.")
        found = cls(copy.deepcopy(network).cpu(), bits)
        with torch.no_grad():
            for some in images.split(64):
                found.train()(as_input(some))
        return found.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the scores; while training, also follow the extremes of every activation that is rounded."""
        x = self._rounded(pictures, 0)
        for place, layer in enumerate(self.network):
            if weighted(layer):
                weight = rounded(layer.weight, self.bits)
                if isinstance(layer, nn.Conv2d):
                    x = layer._conv_forward(x, weight, layer.bias)
                else:
                    x = nn.functional.linear(x, weight, layer.bias)
            else:
                x = layer(x)
            follows = self.network[place + 1] if place + 1 < len(self.network) else None
            if not isinstance(layer, nn.Flatten) and not (weighted(layer) and isinstance(follows, nn.ReLU)):
                x = self._rounded(x, place + 1)  # a layer and its ReLU are one operation, rounded once
        return x

    def _rounded(self, x: Tensor, place: int) -> Tensor:
        if self.training:
            self._watch(x.detach(), place)
        scale, zero = affine(*self.ranges[place].tolist(), self.activations)
        half = 2 ** (self.activations - 1)
        return torch.fake_quantize_per_tensor_affine(x, scale, zero, -half, half - 1)

    def _watch(self, x: Tensor, place: int) -> None:
        now = torch.stack(x.aminmax())
        kept = self.ranges[place]
        self.ranges[place] = now if not kept.any() else kept + MOMENTUM * (now - kept)


def weighted(layer: nn.Module) -> bool:
    """Whether a layer holds weights that can be quantised."""
    return isinstance(layer, (nn.Conv2d, nn.Linear))


def affine(low: float, high: float, bits: int = 8) -> tuple[float, int]:
    """Return scale and offset of signed whole numbers that cover `low` to `high`, and zero exactly."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / (2**bits - 1) or 1.0
    return scale, round(-(2 ** (bits - 1)) - low / scale)


def rounded(weight: Tensor, bits: int) -> Tensor:
    """Return weights (written, …) on the levels of their channel: -(2^(bits-1)-1) … 2^(bits-1)-1 steps around zero."""
    most = 2 ** (bits - 1) - 1
    scale = weight.detach().flatten(1).abs().amax(1).clamp(min=1e-12) / most
    zero = torch.zeros(len(scale), dtype=torch.int32, device=weight.device)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -most, most)
