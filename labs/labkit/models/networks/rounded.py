"""A network in a narrower floating-point format than the processor has: emulated, number by number.

The numbers stay in 32 bits and are rounded to those that the format has: to the nearest, and between two to the even
one, as IEEE 754 asks for. So everything that a format rounds away is gone, exactly. The sums inside a product of
matrices keep 32 bits, as in the units of accelerators that multiply in 16 or 8 bits (Micikevicius et al. 2018,
arXiv:1710.03740, section 3.3). Emulated time says nothing of real time: rounding takes longer than not to round.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call

from labkit.models.networks.quantised import weighted
from labkit.specs.number_format import Format

EXPONENT, FRACTION = 8, 23  # bits of the 32-bit floats that do the emulation
FP32_POWER = 127  # exponent of their largest
MOST = 21  # bits of a fraction that can be emulated: rounding takes room for two more


def to_format(numbers: Tensor, number_format: Format) -> Tensor:
    """Return 32-bit floats rounded to a format.

    What is too large becomes infinite, or the largest number where the format has no infinities.

    Raises:
        ValueError: other numbers than 32-bit floats, or a format with more bits than can be emulated in them.
    """
    if numbers.dtype != torch.float32:
        raise ValueError(f"Rounding is emulated on 32-bit floats, not on {numbers.dtype}.")
    if (number_format.exponent, number_format.fraction) == (EXPONENT, FRACTION):
        return numbers.detach().clone()
    if number_format.exponent > EXPONENT or number_format.fraction > MOST:
        raise ValueError(f"In 32-bit floats a format can be emulated with up to {EXPONENT} bits of exponent and {MOST} "
                         f"of fraction, not {number_format.exponent} and {number_format.fraction}.")
    numbers, drop = numbers.detach(), FRACTION - number_format.fraction
    bits = numbers.view(torch.int32)
    if number_format.exponent == EXPONENT:  # add half of the last bit that stays, less where it is even; cut the rest
        nearest = (bits >> drop).bitwise_and_(1).add_(bits).add_(2 ** (drop - 1) - 1).bitwise_and_(-(2**drop))
        return torch.where(numbers.isnan(), numbers, nearest.view(torch.float32))
    # A number so much larger is added that what lies between two numbers of the format falls out of the 32 bits, by the
    # same rule of rounding; taken away again, it leaves the rest. Below `smallest` these lie at equal distances.
    power = (bits & 0x7F800000).view(torch.float32).clamp_(number_format.smallest, 2.0 ** (number_format.power + 1))
    larger = power.mul_(1.5 * 2.0**drop)
    rounded = (numbers + larger).sub_(larger).copysign_(numbers)
    if number_format.finite:
        return rounded.clamp_(-number_format.largest, number_format.largest)
    # What the format cannot hold, 32 bits cannot either so much further up.
    room = 2.0 ** (FP32_POWER - number_format.power)
    return rounded.mul_(room).div_(room)


class _Rounding(torch.autograd.Function):
    @staticmethod
    def forward(context, numbers, number_format, gradients):
        context.gradients = gradients
        return to_format(numbers, number_format)

    @staticmethod
    def backward(context, slope):
        return to_format(slope, context.gradients), None, None


class Rounded(nn.Module):
    """A network whose weights, activations and gradients are rounded to a format where a layer reads or writes them.

    Args:
        network: what is rounded; its parameters are shared, so training this trains it.
        number_format: of weights and activations.
        gradients: the format of the gradients; that of the others unless given.
        master: whether the weights that the optimiser changes keep their 32 bits, and only a copy of them is rounded.
            Else they are rounded themselves, before every pass, and an update that is too small is lost.

    Shapes: those of the network.

    Raises:
        ValueError: a network without layers that hold weights.
    """

    def __init__(self, network: nn.Sequential, number_format: Format, *, gradients: Format | None = None,
                 master: bool = True):
        if not any(map(weighted, network)):
            raise ValueError("There is nothing to round: the network has no convolution and no dense layer.")
        super().__init__()
        self.network, self.number_format = network, number_format
        self.gradients, self.master = gradients or number_format, master

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the scores."""
        if not self.master:
            with torch.no_grad():
                for weights in self.network.parameters():
                    weights.copy_(to_format(weights, self.number_format))
        x = to_format(pictures, self.number_format)
        for layer in self.network:
            if weighted(layer):
                own = {name: self._round(weights) for name, weights in layer.named_parameters()}
                x = self._round(functional_call(layer, own, (x,)))
            else:
                x = layer(x)
        return x

    def _round(self, numbers: Tensor) -> Tensor:
        return _Rounding.apply(numbers, self.number_format, self.gradients)
