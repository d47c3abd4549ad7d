"""mb1_ssd: MobileNetV1 with SSD's extra layers and heads, after the Caffe MobileNet-SSD."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from .layers import ConvBlock, TappedSequence, scaled
from .ssd import SSD, Variant

SEPARABLE = (
    # channels and stride of each depthwise separable convolution (MobileNetV1, table 1)
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1), (512, 1), (512, 1), (512, 1), (512, 1)),
    *((1024, 2), (1024, 1)),
)
STEM_CHANNELS = 32
EXTRAS = ((256, 512), (128, 256), (128, 256), (64, 128))
"""Channels of the 1x1 and of the 3x3 convolution of each further level."""
TAPS = ("conv11", "conv13", "conv14_2", "conv15_2", "conv16_2", "conv17_2")


def mobilenet_v1(width: float = 1.0) -> OrderedDict[str, nn.Module]:
    """Return MobileNetV1's layers without its classifier, named as the Caffe network names them.

    conv0, then conv1_dw and conv1 to conv13_dw and conv13. width: multiplies every channel count.
    Source: MobileNets, arXiv 1704.04861, table 1.
    """
    channels = scaled(STEM_CHANNELS, width)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv0"] = ConvBlock(3, channels, kernel=3, stride=2)
    for index, (published, stride) in enumerate(SEPARABLE, 1):
        outputs = scaled(published, width)
        layers[f"conv{index}_dw"] = ConvBlock(
            channels, channels, kernel=3, stride=stride, groups=channels
        )
        layers[f"conv{index}"] = ConvBlock(channels, outputs, kernel=1)
        channels = outputs
    return layers


class Mb1Ssd(SSD):
    """At 300x300: feature maps 19, 10, 5, 3, 2, 1; plain 1x1 convolutions as heads.

    Layers, names and heads are those of chuanqi305's MobileNet-SSD (its `deploy.prototxt`), with
    ReLU; TensorFlow's has ReLU6.
    """

    strides = (16, 32, 64)
    fewest_levels = 1
    own = Variant(relu="relu")
    adjustable = ("width", "relu")

    @classmethod
    def cells(cls, side: int) -> tuple[int, ...]:
        """Return the cells of each level: half as many as the last one has, rounded up."""
        return tuple(-(-side // 2**k) for k in range(4, 10))

    def make_features(self) -> tuple[nn.Module, list[int]]:
        """Return conv0 to conv17_2, as many as the levels need, and the channels of the maps."""
        layers = mobilenet_v1(self.variant.width)
        taps = TAPS[: self.level_count]
        channels = [self._outputs(layers[name]) for name in taps[:2]]
        inputs = self._outputs(layers["conv13"])
        for name, sizes in zip(taps[2:], EXTRAS, strict=False):
            hidden, outputs = (scaled(size, self.variant.width) for size in sizes)
            layers[name.replace("_2", "_1")] = ConvBlock(inputs, hidden, kernel=1)
            layers[name] = ConvBlock(hidden, outputs, kernel=3, stride=2)
            channels.append(outputs)
            inputs = outputs
        return TappedSequence(layers, taps), channels

    def make_head(self, channels: int, outputs: int) -> nn.Module:
        """Return the head of one level: a 1x1 convolution with a bias."""
        return nn.Conv2d(channels, outputs, kernel_size=1)

    @staticmethod
    def _outputs(layer: nn.Module) -> int:
        assert isinstance(layer, ConvBlock)
        return layer.conv.out_channels


class Mb1Ssd3x3(Mb1Ssd):
    """The same with 3x3 heads and, by default, 6 anchors on every level: pytorch-ssd's mb1-ssd.

    Source: github.com/qfgaohao/pytorch-ssd, whose extra layers have a bias and no batch norm,
    which is what these are once folded.
    """

    def make_head(self, channels: int, outputs: int) -> nn.Module:
        """Return the head of one level: a 3x3 convolution with a bias."""
        return nn.Conv2d(channels, outputs, kernel_size=3, padding=1)
