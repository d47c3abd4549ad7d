"""mb2_ssd_lite and mb2_ssd_lite_f38: MobileNetV2 with SSD-lite heads on six or four levels."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from .layers import ConvBlock, InvertedResidual, scaled
from .mobilenet_v2 import LAST_CHANNELS, TAPPED_STAGES, MobileNetV2
from .ssd import SSD, Variant

F38_EXTRAS = ((256, 512),)
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 64))
"""Hidden and output channels of the inverted residuals that make the levels behind the backbone."""


class _Levels(nn.Module):
    """The backbone's taps and its end, then one inverted residual of stride 2 a level.

    taps: stages of the backbone. count: of levels; extras that it does not reach are left out.
    """

    def __init__(
        self,
        variant: Variant,
        taps: tuple[int, ...],
        extras: tuple[tuple[int, int], ...],
        count: int,
    ) -> None:
        super().__init__()
        # As a level of a detector the last convolution is thinned like the rest; a classifier
        # keeps its 1280 channels for its 1000 classes.
        channels = scaled(LAST_CHANNELS, variant.width)
        self.backbone = MobileNetV2(taps, width=variant.width, depth=variant.depth, last=channels)
        self.out_channels = list(self.backbone.out_channels)
        self._names: list[str] = []
        for number, sizes in enumerate(extras[: count - len(self.out_channels)], 1):
            hidden, outputs = (scaled(size, variant.width) for size in sizes)
            self._names.append("extra" if number == 1 else f"extra{number}")
            extra = InvertedResidual(channels, outputs, stride=2, hidden=hidden)
            self.add_module(self._names[-1], extra)
            self.out_channels.append(outputs)
            channels = outputs

    def forward(self, image: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.backbone(image)
        for name in self._names:
            maps.append(self.get_submodule(name)(maps[-1]))
        return maps


def lite_head(channels: int, outputs: int) -> nn.Sequential:
    """Return an SSD-lite head: depthwise 3x3, then 1x1 with bias (MobileNetV2, section 6.2)."""
    return nn.Sequential(
        ConvBlock(channels, channels, kernel=3, groups=channels),
        nn.Conv2d(channels, outputs, kernel_size=1),
    )


class Mb2SsdLiteF38(SSD):
    """At 300x300: feature maps 38, 19, 10, 5; the last two maps of SSD are left out on purpose.

    With 2 score channels and 2 anchors a cell it has 2,750,864 parameters once folded.
    """

    strides: ClassVar[tuple[int, ...]] = (8, 16, 32, 64)
    fewest_levels = 3
    adjustable = ("width", "depth", "relu")

    def make_features(self) -> tuple[nn.Module, list[int]]:
        """Return the backbone with its extra level, and the channels of the four maps."""
        features = _Levels(self.variant, TAPPED_STAGES, F38_EXTRAS, self.level_count)
        return features, features.out_channels

    def make_head(self, channels: int, outputs: int) -> nn.Sequential:
        """Return an SSD-lite head."""
        return lite_head(channels, outputs)


class Mb2SsdLiteF38Relu(Mb2SsdLiteF38):
    """The same with ReLU where it has ReLU6: the weights fit both.

    A ReLU passes a positive factor on and a ReLU6 does not: this one can be equalised across its
    layers, the other only where its convolutions follow each other directly.
    """

    own = Variant(relu="relu")


class Mb2SsdLiteF38Tiny(Mb2SsdLiteF38):
    """The thin and shallow one: half the channels, and stages of at most two blocks."""

    own = Variant(width=0.5, depth=0.5)


class Mb2SsdLite(Mb2SsdLiteF38):
    """At 300x300: feature maps 19, 10, 5, 3, 2, 1, the last with plain 1x1 heads.

    Extra levels and heads are those of pytorch-ssd's mb2-ssd-lite, with 6 anchors a cell.
    Source: MobileNetV2, arXiv 1801.04381, section 6.2; github.com/qfgaohao/pytorch-ssd.
    """

    strides = (16, 32, 64)
    fewest_levels = 2

    @classmethod
    def cells(cls, side: int) -> tuple[int, ...]:
        """Return the cells of each level: half as many as the last one has, rounded up."""
        return tuple(-(-side // 2**k) for k in range(4, 10))

    def make_features(self) -> tuple[nn.Module, list[int]]:
        """Return the backbone with its extra levels, and the channels of the maps."""
        features = _Levels(self.variant, TAPPED_STAGES[1:], EXTRAS, self.level_count)
        return features, features.out_channels

    def make_level_head(self, level: int, channels: int, outputs: int) -> nn.Module:
        """Return the head of a level: an SSD-lite one, on the sixth a 1x1 convolution alone."""
        if level == len(EXTRAS) + 1:
            return nn.Conv2d(channels, outputs, kernel_size=1)
        return self.make_head(channels, outputs)
