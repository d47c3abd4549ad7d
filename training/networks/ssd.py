"""The shape every SSD here has: feature maps in, raw scores and deltas per level out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

from ...runtime.contract import LANDMARK_VALUES
from .layers import ConvBlock, fold_batch_norms


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """What the heads of a network must predict.

    scores: score channels an anchor (classes, and the background with softmax).
    anchors: anchors a cell, for every level, finest first.
    """

    scores: int
    anchors: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """Which member of its family a network is.

    width: multiplies the channels. depth: multiplies how often a stage repeats its block.
    relu: the activation behind every convolution but the last of a head.
    """

    width: float = 1.0
    depth: float = 1.0
    relu: Literal["relu6", "relu"] = "relu6"


class SSD(nn.Module):
    """A detector whose `forward` returns what the DSP computes, and nothing more.

    A network derives from this class and gives its strides (finest first), features and heads.
    It has a level for each entry of `spec.anchors`: where these are fewer than it could have, the
    coarsest are left out.

    strides: of the levels, finest first; of coarser ones, if `cells` gives more, the input over
    the cells is the stride. fewest_levels: that it can be built with; all where None.
    own: the variant that is built unless another is asked for. adjustable: which fields of the
    variant may be another than its own. gives_landmarks: whether it has heads of a third kind.
    """

    strides: ClassVar[tuple[int, ...]]
    fewest_levels: ClassVar[int | None] = None
    own: ClassVar[Variant] = Variant()
    adjustable: ClassVar[tuple[str, ...]] = ()
    gives_landmarks: ClassVar[bool] = False

    def __init__(self, spec: HeadSpec, variant: Variant | None = None) -> None:
        super().__init__()
        self.variant = variant or self.own
        self.level_count = len(spec.anchors)
        self.features, channels = self.make_features()
        levels = list(zip(channels, spec.anchors, strict=True))
        self.score_heads = self._heads(levels, spec.scores)
        self.box_heads = self._heads(levels, 4)
        landmarks = levels if self.gives_landmarks else []
        self.landmark_heads = self._heads(landmarks, LANDMARK_VALUES)
        set_activation(self, self.variant.relu)
        initialise(self)
        for head in self.score_heads:
            bias_to_background(last_convolution(head), spec.scores)

    @classmethod
    def cells(cls, side: int) -> tuple[int, ...]:
        """Return how many cells each level has along a side of the input, in pixels."""
        return tuple(-(-side // stride) for stride in cls.strides)  # padding 1 rounds up

    def fold(self) -> None:
        """Make the network, in evaluation mode, the one that is deployed: batch norms folded."""
        fold_batch_norms(self)

    def make_features(self) -> tuple[nn.Module, list[int]]:
        """Return the module that gives the `level_count` feature maps, and their channels."""
        raise NotImplementedError

    def make_head(self, channels: int, outputs: int) -> nn.Module:
        """Return the head of one level, ending in a convolution with a bias."""
        raise NotImplementedError

    def make_level_head(self, level: int, channels: int, outputs: int) -> nn.Module:
        """Return the head of the level of this index: the same for all unless a network differs."""
        return self.make_head(channels, outputs)

    def _heads(self, levels: list[tuple[int, int]], values: int) -> nn.ModuleList:
        """Return a head for each level, given by its channels and its anchors a cell."""
        return nn.ModuleList(
            self.make_level_head(index, channels, anchors * values)
            for index, (channels, anchors) in enumerate(levels)
        )

    def forward(self, image: Tensor) -> tuple[list[Tensor], ...]:
        """Return raw scores and deltas per level from a normalised image, float32 [n, 3, h, w].

        scores: [n, anchors * classes, rows, columns] a level; the channels of one anchor are
            adjacent. deltas: [n, anchors * 4, rows, columns], (dx, dy, dw, dh) an anchor.
        landmarks, only where it gives them: [n, anchors * 10, rows, columns], (dx, dy) a point.
        """
        maps: list[Tensor] = self.features(image)
        kinds = [self.score_heads, self.box_heads]
        if self.gives_landmarks:
            kinds.append(self.landmark_heads)
        return tuple([head(m) for head, m in zip(heads, maps, strict=True)] for heads in kinds)


def set_activation(module: nn.Module, relu: Literal["relu6", "relu"]) -> None:
    """Give every block that has a ReLU or a ReLU6 the one asked for; weights fit both."""
    for block in module.modules():
        if isinstance(block, ConvBlock) and not isinstance(block.act, nn.Identity):
            block.act = nn.ReLU6(inplace=True) if relu == "relu6" else nn.ReLU(inplace=True)


def last_convolution(module: nn.Module) -> nn.Conv2d:
    """Return the convolution that a head ends in."""
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)][-1]


def initialise(module: nn.Module) -> None:
    """Draw the convolutions' weights as MobileNetV2's published training does."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight, mode="fan_out")
            if child.bias is not None:
                nn.init.zeros_(child.bias)


def bias_to_background(head: nn.Conv2d, scores: int, prior: float = 0.01) -> None:
    """Start a softmax score head so that every anchor says background with 1 - `prior`.

    Source: focal loss, arXiv 1708.02002, section 3.3, carried over from sigmoid to softmax.
    """
    assert head.bias is not None
    nn.init.normal_(head.weight, std=0.01)
    bias = head.bias.detach().view(-1, scores)
    bias.zero_()
    bias[:, 0] = math.log((1 - prior) / prior * (scores - 1))
