"""The building blocks: convolution + norm + ReLU6, inverted residual, layers with taps."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ConvBlock(nn.Module):
    """Convolution, batch norm, and ReLU6 where `activate` is set; a bias where no norm follows.

    padding: half the kernel where None, so that stride 1 keeps the size.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int,
        stride: int = 1,
        padding: int | None = None,
        dilation: int = 1,
        groups: int = 1,
        normalise: bool = True,
        activate: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            inputs,
            outputs,
            kernel,
            stride,
            padding=kernel // 2 if padding is None else padding,
            dilation=dilation,
            groups=groups,
            bias=not normalise,
        )
        self.norm: nn.Module = nn.BatchNorm2d(outputs) if normalise else nn.Identity()
        self.act: nn.Module = nn.ReLU6(inplace=True) if activate else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation, [n, outputs, h / stride, w / stride]."""
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out

    def fold(self) -> None:
        """Fold the batch norm into the convolution; the block must be in evaluation mode."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class InvertedResidual(nn.Module):
    """Expand by a 1x1, filter by a depthwise 3x3, project by a linear 1x1.

    Source: MobileNetV2, arXiv 1801.04381, table 1.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int, hidden: int) -> None:
        super().__init__()
        self.residual = stride == 1 and inputs == outputs
        self.expand: nn.Module = (
            nn.Identity() if hidden == inputs else ConvBlock(inputs, hidden, kernel=1)
        )
        self.depthwise = ConvBlock(hidden, hidden, kernel=3, stride=stride, groups=hidden)
        self.project = ConvBlock(hidden, outputs, kernel=1, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, [n, outputs, h / stride, w / stride]."""
        return self.from_expanded(x, self.expand(x))

    def from_expanded(self, x: Tensor, expanded: Tensor) -> Tensor:
        """Return the block's output given its expanded activation, so that both can be used."""
        out: Tensor = self.project(self.depthwise(expanded))
        return x + out if self.residual else out


class TappedSequence(nn.Sequential):
    """Layers one after the other, some of whose outputs are handed out.

    taps: names of those layers, in their order; what lies behind the last is left out.
    """

    def __init__(self, layers: OrderedDict[str, nn.Module], taps: tuple[str, ...]) -> None:
        needed = list(layers.items())[: list(layers).index(taps[-1]) + 1]
        super().__init__(OrderedDict(needed))
        self.taps = taps

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of the layers named in `taps`, in the order of the layers."""
        maps = []
        for name, layer in self.named_children():
            x = layer(x)
            if name in self.taps:
                maps.append(x)
        return maps


def scaled(channels: int, multiplier: float, multiple: int = 8) -> int:
    """Return the channels times the multiplier, as a multiple of 8 and not over 10 % less.

    Source: the published code of MobileNetV2 (tensorflow/models, `_make_divisible`).
    """
    wanted = channels * multiplier
    rounded = max(multiple, int(wanted + multiple / 2) // multiple * multiple)
    return rounded if rounded >= 0.9 * wanted else rounded + multiple


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm of an evaluation-mode network into its convolution, in place."""
    for child in module.modules():
        if isinstance(child, ConvBlock):
            child.fold()
