"""MobileNetV2 as a backbone that hands out feature maps at several strides."""

from __future__ import annotations

import math

from torch import Tensor, nn

from .layers import ConvBlock, InvertedResidual, scaled

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
TAPPED_STAGES = (3, 5)


class MobileNetV2(nn.Module):
    """MobileNetV2 without its classifier.

    Taps the expanded activation of the first block of two stages (at width 1 and depth 1 block 7
    at stride 8 with 192 channels, block 14 at stride 16 with 576), if `taps` names them, and the
    last 1x1 convolution (stride 32, 1280).

    width: multiplies every stage's channels. depth: multiplies how often a stage repeats its block,
    rounded up as in EfficientNet (arXiv 1905.11946, section 4). last: channels of the last
    convolution; where None, as published, 1280 times a width above 1.
    """

    def __init__(
        self,
        taps: tuple[int, ...] = TAPPED_STAGES,
        *,
        width: float = 1.0,
        depth: float = 1.0,
        last: int | None = None,
    ) -> None:
        super().__init__()
        channels = scaled(STEM_CHANNELS, width)
        blocks: list[nn.Module] = [ConvBlock(3, channels, kernel=3, stride=2)]
        tapped = []
        self.out_channels: list[int] = []
        for stage, (expansion, published, repeats, first_stride) in enumerate(STAGES):
            outputs = scaled(published, width)
            if stage in taps:
                tapped.append(len(blocks))
                self.out_channels.append(channels * expansion)
            for index in range(math.ceil(repeats * depth)):
                stride = first_stride if index == 0 else 1
                hidden = channels * expansion
                blocks.append(InvertedResidual(channels, outputs, stride=stride, hidden=hidden))
                channels = outputs
        last = last or scaled(LAST_CHANNELS, max(width, 1.0))
        blocks.append(ConvBlock(channels, last, kernel=1))
        self.out_channels.append(last)
        self.taps = tuple(tapped)
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
