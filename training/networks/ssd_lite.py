"""mb2_ssd_lite_f38: MobileNetV2 and SSD-lite heads on four levels, the person/head detector."""

from __future__ import annotations

from torch import Tensor, nn

from .layers import ConvBlock, InvertedResidual
from .mobilenet_v2 import LAST_CHANNELS, MobileNetV2
from .ssd import SSD, HeadSpec

EXTRA_CHANNELS = 512
EXTRA_HIDDEN = 256


class _FourLevels(nn.Module):
    """The backbone and one extra inverted residual: strides 8, 16, 32, 64."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = MobileNetV2()
        self.extra = InvertedResidual(LAST_CHANNELS, EXTRA_CHANNELS, stride=2, hidden=EXTRA_HIDDEN)
        self.out_channels = [*self.backbone.out_channels, EXTRA_CHANNELS]

    def forward(self, image: Tensor) -> list[Tensor]:
        maps: list[Tensor] = self.backbone(image)
        return [*maps, self.extra(maps[-1])]


class Mb2SsdLiteF38(SSD):
    """At 300x300: feature maps 38, 19, 10, 5; the last two maps of SSD are left out on purpose.

    With 2 score channels and 2 anchors a cell it has 2,750,864 parameters once folded.
    """

    strides = (8, 16, 32, 64)

    def make_features(self) -> tuple[nn.Module, list[int]]:
        """Return the backbone with its extra level, and the channels of the four maps."""
        features = _FourLevels()
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

    def __init__(self, spec: HeadSpec) -> None:
        super().__init__(spec)
        for module in self.modules():
            if isinstance(module, ConvBlock) and isinstance(module.act, nn.ReLU6):
                module.act = nn.ReLU(inplace=True)
