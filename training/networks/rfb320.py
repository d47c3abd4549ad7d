"""rfb320: the Ultra-Light-Fast face detector, a thin MobileNetV1 with a receptive-field block."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from .layers import ConvBlock, TappedSequence
from .ssd import SSD, Variant

STEM_CHANNELS = 16
SEPARABLE = (
    # channels and stride; the receptive-field block stands behind the sixth
    *((32, 1), (32, 2), (32, 1), (64, 2), (64, 1), (64, 1)),
    *((128, 2), (128, 1), (128, 1)),
    *((256, 2), (256, 1)),
)
RFB_BEHIND = 6
EXTRA_HIDDEN = 64
EXTRA_CHANNELS = 256
REDUCTION = 8
"""Of the channels, in the branches of the receptive-field block."""


class ReceptiveField(nn.Module):
    """Three branches of dilation 2, 3 and 5, joined, beside a 1x1 shortcut.

    Source: RFB Net, arXiv 1711.07767, figure 4, as the published RFB-320 thins it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // REDUCTION
        wide, between = 2 * hidden, 3 * hidden // 2

        def reduced() -> ConvBlock:
            return ConvBlock(channels, hidden, kernel=1, activate=False)

        def dilated(rate: int) -> ConvBlock:
            return ConvBlock(wide, wide, kernel=3, padding=rate, dilation=rate, activate=False)

        self.branches = nn.ModuleList(
            [
                nn.Sequential(reduced(), ConvBlock(hidden, wide, kernel=3), dilated(2)),
                nn.Sequential(reduced(), ConvBlock(hidden, wide, kernel=3), dilated(3)),
                nn.Sequential(
                    reduced(),
                    ConvBlock(hidden, between, kernel=3),
                    ConvBlock(between, wide, kernel=3),
                    dilated(5),
                ),
            ]
        )
        self.linear = ConvBlock(3 * wide, channels, kernel=1, activate=False)
        self.shortcut = ConvBlock(channels, channels, kernel=1, activate=False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, as large as its input."""
        joined = torch.cat([branch(x) for branch in self.branches], dim=1)
        out: Tensor = self.act(self.linear(joined) + self.shortcut(x))
        return out


class Rfb320(SSD):
    """At 320x240: feature maps 40x30, 20x15, 10x8, 5x4, with ReLU.

    Layers and heads are those of the published `version-RFB-320.pth`: the heads and the coarsest
    level have biases and no batch norm, and the coarsest level's heads are plain 3x3 convolutions.
    """

    strides = (8, 16, 32, 64)
    own = Variant(relu="relu")

    def make_features(self) -> tuple[nn.Module, list[int]]:
        """Return the layers by their numbers in the published file, and the maps' channels."""
        layers: list[nn.Module] = [ConvBlock(3, STEM_CHANNELS, kernel=3, stride=2)]
        inputs = STEM_CHANNELS
        for index, (outputs, stride) in enumerate(SEPARABLE, 1):
            layers.append(separable(inputs, outputs, stride))
            inputs = outputs
            if index == RFB_BEHIND:
                layers.append(ReceptiveField(outputs))
        extra = nn.Sequential(
            ConvBlock(inputs, EXTRA_HIDDEN, kernel=1, normalise=False),
            *separable(EXTRA_HIDDEN, EXTRA_CHANNELS, 2, normalise=False),
        )
        named: OrderedDict[str, nn.Module] = OrderedDict(
            (f"layer{number}", layer) for number, layer in enumerate(layers)
        )
        named["extra"] = extra
        taps = ("layer7", "layer10", "layer12", "extra")
        return TappedSequence(named, taps), [64, 128, 256, EXTRA_CHANNELS]

    def make_head(self, channels: int, outputs: int) -> nn.Module:
        """Return the head of a level: depthwise 3x3 and 1x1, both with a bias."""
        return nn.Sequential(
            ConvBlock(channels, channels, kernel=3, groups=channels, normalise=False),
            nn.Conv2d(channels, outputs, kernel_size=1),
        )

    def make_level_head(self, level: int, channels: int, outputs: int) -> nn.Module:
        """Return the head of a level: on the coarsest a 3x3 convolution alone."""
        if level == len(self.strides) - 1:
            return nn.Conv2d(channels, outputs, kernel_size=3, padding=1)
        return self.make_head(channels, outputs)


def separable(inputs: int, outputs: int, stride: int, *, normalise: bool = True) -> nn.Sequential:
    """Return a depthwise 3x3 and a 1x1 convolution, each with its activation."""
    return nn.Sequential(
        ConvBlock(inputs, inputs, kernel=3, stride=stride, groups=inputs, normalise=normalise),
        ConvBlock(inputs, outputs, kernel=1, normalise=normalise),
    )
