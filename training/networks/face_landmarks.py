"""face_landmarks: a thin MobileNetV2 with three kinds of heads: face, box and five landmarks."""

from __future__ import annotations

from torch import nn

from .layers import scaled
from .mobilenet_v2 import MobileNetV2
from .ssd import SSD, Variant
from .ssd_lite import lite_head

LAST_CHANNELS = 512
"""Of the coarsest level, before the width is applied: faces need no 1280."""


class FaceLandmarks(SSD):
    """Three SSD-lite heads on each of three levels of a thin and shallow backbone.

    The levels are the expanded activations that mb2_ssd_lite_f38 uses, and the backbone's end.
    Source of the third task: RetinaFace (arXiv 1905.00641), section 3.1.
    """

    strides = (8, 16, 32)
    own = Variant(width=0.5, depth=0.5)
    adjustable = ("width", "depth", "relu")
    gives_landmarks = True

    def make_features(self) -> tuple[nn.Module, list[int]]:
        """Return the backbone, and the channels of its three maps."""
        variant = self.variant
        last = scaled(LAST_CHANNELS, variant.width)
        backbone = MobileNetV2(width=variant.width, depth=variant.depth, last=last)
        return backbone, backbone.out_channels

    def make_head(self, channels: int, outputs: int) -> nn.Sequential:
        """Return an SSD-lite head."""
        return lite_head(channels, outputs)
