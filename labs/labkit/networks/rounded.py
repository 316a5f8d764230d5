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

from labkit.networks.quantised import weighted
from labkit.predict.formats import FORMATS, Format

_FP32 = FORMATS["fp32"]


def to_format(numbers: Tensor, form: Format) -> Tensor:
    """Return 32-bit floats rounded to a format.

    What is too large becomes infinite, or the largest number where the format has no infinities.

    Raises:
        ValueError: other numbers than 32-bit floats, or a format with more bits of a kind than those have.
    """
    if numbers.dtype != torch.float32:
        raise ValueError(f"Rounding is emulated on 32-bit floats, not on {numbers.dtype}.")
    if form.exponent > _FP32.exponent or form.fraction > _FP32.fraction:
        raise ValueError(f"In 32-bit floats no format with {form.exponent} exponent and {form.fraction} fraction bits "
                         f"can be emulated: {_FP32.exponent} and {_FP32.fraction} is all they have.")
    if form == _FP32:
        return numbers
    drop = _FP32.fraction - form.fraction
    if drop:  # add half of the last bit that stays, a little less where it is even, and cut off what lies below
        bits = numbers.detach().contiguous(memory_format=torch.preserve_format).view(torch.int32)
        nearest = (bits >> drop).bitwise_and_(1).add_(bits).add_(2 ** (drop - 1) - 1).bitwise_and_(-(2**drop))
        rounded = nearest.view(torch.float32)
    else:
        rounded = numbers.detach().clone()
    # Below the least exponent numbers lie at equal distances: a large number added pushes what lies between out of 32
    # bits, which rounds by the same rule, and taken away again it leaves the rest.
    large = 1.5 * 2.0**_FP32.fraction * form.least
    size = numbers.abs()
    rounded = torch.where(size < form.smallest, (numbers + large).sub_(large).copysign_(numbers), rounded)
    beyond = form.largest if form.finite else torch.inf
    rounded = torch.where(rounded.abs() > form.largest, numbers.sign() * beyond, rounded)
    return torch.where(size.isnan(), numbers, rounded)


class _Rounding(torch.autograd.Function):
    @staticmethod
    def forward(context, numbers, form, gradients):
        context.gradients = gradients
        return to_format(numbers, form)

    @staticmethod
    def backward(context, slope):
        return to_format(slope, context.gradients), None, None


class Rounded(nn.Module):
    """A network whose weights, activations and gradients are rounded to a format, wherever a layer reads or writes them.

    Args:
        network: what is rounded; its parameters are shared, so training this trains it.
        form: of weights and activations.
        gradients: the format of the gradients; that of the others unless given.
        master: whether the weights that the optimiser changes keep their 32 bits, and only a copy of them is rounded.
            Else they are rounded themselves, before every pass, and an update that is too small is lost.

    Shapes: those of the network.

    Raises:
        ValueError: a network without layers that hold weights.
    """

    def __init__(self, network: nn.Sequential, form: Format, *, gradients: Format | None = None, master: bool = True):
        if not any(map(weighted, network)):
            raise ValueError("There is nothing to round: the network has no convolution and no dense layer.")
        super().__init__()
        self.network, self.form, self.gradients, self.master = network, form, gradients or form, master

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the scores."""
        if not self.master:
            with torch.no_grad():
                for weights in self.network.parameters():
                    weights.copy_(to_format(weights, self.form))
        x = to_format(pictures, self.form)
        for layer in self.network:
            if weighted(layer):
                own = {name: self._round(weights) for name, weights in layer.named_parameters()}
                x = self._round(functional_call(layer, own, (x,)))
            else:
                x = layer(x)
        return x

    def _round(self, numbers: Tensor) -> Tensor:
        return _Rounding.apply(numbers, self.form, self.gradients)
