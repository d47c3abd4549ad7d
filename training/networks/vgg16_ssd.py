"""ssd300_vgg16 and ssd512_vgg16: the two networks of the SSD paper."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from .l2_norm import L2Norm
from .layers import ConvBlock, TappedSequence, scaled
from .ssd import SSD, Variant

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of the 3x3 convolutions between two poolings (VGG16, column D of table 1)."""
FULL_CHANNELS = 1024
"""Of fc6 and fc7, the fully connected layers made convolutions and thinned (SSD, section 3)."""

block = partial(ConvBlock, normalise=False)
"""A convolution with a bias, and its ReLU."""

Extra = tuple[int, int, int, int, int]
"""Channels of the 1x1 convolution; channels, kernel, stride and padding of the one behind it."""
SSD300_EXTRAS: tuple[Extra, ...] = (
    (256, 512, 3, 2, 1),
    (128, 256, 3, 2, 1),
    (128, 256, 3, 1, 0),
    (128, 256, 3, 1, 0),
)
SSD512_EXTRAS: tuple[Extra, ...] = (
    (256, 512, 3, 2, 1),
    (128, 256, 3, 2, 1),
    (128, 256, 3, 2, 1),
    (128, 256, 3, 2, 1),
    (128, 256, 4, 1, 1),
)


class _Levels(nn.Module):
    """VGG16 with its further levels; the first of the maps is normalised."""

    def __init__(self, extras: tuple[Extra, ...], width: float, count: int) -> None:
        super().__init__()
        layers, self.out_channels = vgg16_reduced(width)
        taps = ["conv4_3", "fc7"]
        channels = self.out_channels[-1]
        for number, (hidden, outputs, kernel, stride, padding) in enumerate(extras, 6):
            hidden, outputs = scaled(hidden, width), scaled(outputs, width)
            layers[f"conv{number}_1"] = block(channels, hidden, kernel=1)
            layers[f"conv{number}_2"] = block(
                hidden, outputs, kernel=kernel, stride=stride, padding=padding
            )
            taps.append(f"conv{number}_2")
            self.out_channels.append(outputs)
            channels = outputs
        self.out_channels = self.out_channels[:count]
        self.layers = TappedSequence(layers, tuple(taps[:count]))
        self.conv4_3_norm = L2Norm(self.out_channels[0])

    def forward(self, image: Tensor) -> list[Tensor]:
        finest, *maps = self.layers(image)
        return [self.conv4_3_norm(finest), *maps]


class Ssd300Vgg16(SSD):
    """At 300x300: feature maps 38, 19, 10, 5, 3, 1 and 8,732 default boxes.

    Layers carry the names of the published Caffe network; nothing is batch-normalised.
    Source: SSD, arXiv 1512.02325, section 2.1 and figure 2.
    """

    strides = (8, 16, 32, 64)
    fewest_levels = 1
    own = Variant(relu="relu")
    adjustable = ("width", "relu")
    extras: ClassVar[tuple[Extra, ...]] = SSD300_EXTRAS

    @classmethod
    def cells(cls, side: int) -> tuple[int, ...]:
        """Return the cells of each level: three poolings that round up, one more, the extras."""
        cells = [-(-side // 8), -(-side // 16)]
        for _, _, kernel, stride, padding in cls.extras:
            cells.append((cells[-1] + 2 * padding - kernel) // stride + 1)
        return tuple(cells)

    def make_features(self) -> tuple[nn.Module, list[int]]:
        """Return conv1_1 to the last level's convolution, and the channels of the maps."""
        features = _Levels(self.extras, self.variant.width, self.level_count)
        return features, features.out_channels

    def make_head(self, channels: int, outputs: int) -> nn.Module:
        """Return the head of one level: a 3x3 convolution with a bias."""
        return nn.Conv2d(channels, outputs, kernel_size=3, padding=1)

    def fold(self) -> None:
        """Move the learnt scale of conv4_3's channels into the heads that alone read them."""
        super().fold()
        assert isinstance(self.features, _Levels)
        self.features.conv4_3_norm.fold_into([self.score_heads[0], self.box_heads[0]])


class Ssd512Vgg16(Ssd300Vgg16):
    """At 512x512: feature maps 64, 32, 16, 8, 4, 2, 1 and 24,564 default boxes."""

    extras = SSD512_EXTRAS


def vgg16_reduced(width: float = 1.0) -> tuple[OrderedDict[str, nn.Module], list[int]]:
    """Return VGG16's layers to fc7, and the channels of conv4_3 and fc7.

    The fifth pooling keeps the size, and fc6 is a 3x3 convolution that skips 5 of 6 cells, so that
    it sees as much as before. width: multiplies every channel count.
    Source: arXiv 1409.1556, table 1, and SSD, arXiv 1512.02325, section 3.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for stage, (published, count) in enumerate(STAGES, 1):
        outputs = scaled(published, width)
        for index in range(1, count + 1):
            layers[f"conv{stage}_{index}"] = block(channels, outputs, kernel=3)
            channels = outputs
        layers[f"pool{stage}"] = nn.MaxPool2d(2, 2, ceil_mode=True)
    finest = scaled(STAGES[3][0], width)
    layers["pool5"] = nn.MaxPool2d(3, 1, padding=1)
    full = scaled(FULL_CHANNELS, width)
    layers["fc6"] = block(channels, full, kernel=3, padding=6, dilation=6)
    layers["fc7"] = block(full, full, kernel=1)
    return layers, [finest, full]
