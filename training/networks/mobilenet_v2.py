"""MobileNetV2 as a backbone that hands out feature maps at several strides."""

from __future__ import annotations

from torch import Tensor, nn

from .layers import ConvBlock, InvertedResidual

STAGES = (
    # expansion, channels, blocks, stride of the first block (MobileNetV2, table 2)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
STEM_CHANNELS = 32
LAST_CHANNELS = 1280


class MobileNetV2(nn.Module):
    """MobileNetV2 1.0 without its classifier.

    Taps the expanded activation of the blocks named in `taps` (block 7 at stride 8 with 192
    channels, block 14 at stride 16 with 576) and the last 1x1 convolution (stride 32, 1280).
    """

    def __init__(self, taps: tuple[int, ...] = (7, 14)) -> None:
        super().__init__()
        self.taps = taps
        blocks: list[nn.Module] = [ConvBlock(3, STEM_CHANNELS, kernel=3, stride=2)]
        self.out_channels: list[int] = []
        channels = STEM_CHANNELS
        for expansion, outputs, count, first_stride in STAGES:
            for index in range(count):
                hidden = channels * expansion
                if len(blocks) in taps:
                    self.out_channels.append(hidden)
                stride = first_stride if index == 0 else 1
                blocks.append(InvertedResidual(channels, outputs, stride=stride, hidden=hidden))
                channels = outputs
        blocks.append(ConvBlock(channels, LAST_CHANNELS, kernel=1))
        self.out_channels.append(LAST_CHANNELS)
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the feature maps, finest first, from normalised RGB, float32 [n, 3, h, w]."""
        maps = []
        for index, block in enumerate(self.blocks):
            if index in self.taps:
                assert isinstance(block, InvertedResidual)
                expanded = block.expand(x)
                maps.append(expanded)
                x = block.from_expanded(x, expanded)
            else:
                x = block(x)
        return [*maps, x]
