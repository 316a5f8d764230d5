"""ResNet-50 with weights drawn by chance: the network that published latencies are mostly of."""

from __future__ import annotations

from torch import Tensor, nn

PICTURE = (3, 224, 224)
CLASSES = 1000
_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))  # channels in the middle, blocks, stride of the first


def _convolution(in_channels: int, out_channels: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2)


class Block(nn.Module):
    """Three convolutions, and what they read added to what they wrote (He et al. 2016, doi:10.1109/CVPR.2016.90)."""

    def __init__(self, in_channels: int, middle: int, stride: int):
        super().__init__()
        out_channels = 4 * middle
        self.way = nn.Sequential(
            _convolution(in_channels, middle, 1), nn.ReLU(inplace=True),
            _convolution(middle, middle, 3, stride), nn.ReLU(inplace=True),
            _convolution(middle, out_channels, 1),
        )
        self.shortcut = (nn.Identity() if in_channels == out_channels
                         else _convolution(in_channels, out_channels, 1, stride))
        self.bend = nn.ReLU(inplace=True)

    def forward(self, data: Tensor) -> Tensor:
        """Return float (n, 4 × middle, …) of float (n, read, …)."""
        return self.bend(self.way(data) + self.shortcut(data))


class ResNet50(nn.Sequential):
    """Tells 1,000 classes of things apart once it is trained; here it serves for its time, which weights do not change.

    The normalisations are folded into the convolutions, as every runtime does before it answers.

    Shapes: float pictures (n, 3, 224, 224) in, scores (n, 1000) out.
    """

    def __init__(self):
        blocks, in_channels = [], 64
        for middle, count, stride in _STAGES:
            for place in range(count):
                blocks.append(Block(in_channels, middle, 1 if place else stride))
                in_channels = 4 * middle
        super().__init__(
            _convolution(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1),
            *blocks,
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(in_channels, CLASSES),
        )
