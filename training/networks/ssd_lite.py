"""mb2_ssd_lite_f38: MobileNetV2 and SSD-lite heads on four levels, the person/head detector."""

from __future__ import annotations

from torch import Tensor, nn

from .layers import ConvBlock, InvertedResidual, scaled
from .mobilenet_v2 import LAST_CHANNELS, MobileNetV2
from .ssd import SSD, Variant

EXTRA_CHANNELS = 512
EXTRA_HIDDEN = 256


class _FourLevels(nn.Module):
    """The backbone and one extra inverted residual: strides 8, 16, 32, 64."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        # As a level of a detector the last convolution is thinned like the rest; a classifier
        # keeps its 1280 channels for its 1000 classes.
        last, extra, hidden = (
            scaled(channels, variant.width)
            for channels in (LAST_CHANNELS, EXTRA_CHANNELS, EXTRA_HIDDEN)
        )
        self.backbone = MobileNetV2(width=variant.width, depth=variant.depth, last=last)
        self.extra = InvertedResidual(last, extra, stride=2, hidden=hidden)
        self.out_channels = [*self.backbone.out_channels, extra]

    def forward(self, image: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.backbone(image)
        return [*maps, self.extra(maps[-1])]


class Mb2SsdLiteF38(SSD):
    """At 300x300: feature maps 38, 19, 10, 5; the last two maps of SSD are left out on purpose.

    With 2 score channels and 2 anchors a cell it has 2,750,864 parameters once folded.
    """

    strides = (8, 16, 32, 64)
    adjustable = ("width", "depth", "relu")

    def make_features(self) -> tuple[nn.Module, list[int]]:
        """Return the backbone with its extra level, and the channels of the four maps."""
        features = _FourLevels(self.variant)
        return features, features.out_channels

    def make_head(self, channels: int, outputs: int) -> nn.Sequential:
        """Return an SSD-lite head: depthwise 3x3, then 1x1 with bias (MobileNetV2, section 6.2)."""
        return nn.Sequential(
            ConvBlock(channels, channels, kernel=3, groups=channels),
            nn.Conv2d(channels, outputs, kernel_size=1),
        )


class Mb2SsdLiteF38Relu(Mb2SsdLiteF38):
    """The same with ReLU where it has ReLU6: the weights fit both.

    A ReLU passes a positive factor on and a ReLU6 does not: this one can be equalised across its
    layers, the other only where its convolutions follow each other directly.
    """

    own = Variant(relu="relu")


class Mb2SsdLiteF38Tiny(Mb2SsdLiteF38):
    """The thin and shallow one: half the channels, and stages of at most two blocks."""

    own = Variant(width=0.5, depth=0.5)
