"""L2 normalisation of each cell's channels, with a scale that is learnt and folded away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

INITIAL_SCALE = 20.0
SMALLEST_NORM = 1e-10


class L2Norm(nn.Module):
    """Divide every cell's channels by their L2 norm and multiply each by its learnt scale.

    Source: ParseNet, arXiv 1506.04579, section 3.3; scale 20 at first: SSD, arXiv 1512.02325,
    section 3.1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale: nn.Parameter | None = nn.Parameter(torch.full((channels,), INITIAL_SCALE))

    def forward(self, x: Tensor) -> Tensor:
        """Return the normalised map, [n, channels, h, w]."""
        if torch.onnx.is_in_onnx_export():
            unit: Tensor = _LpNormalization.apply(x)  # type: ignore[no-untyped-call]
        else:
            unit = _unit_vectors(x)
        return unit if self.scale is None else unit * self.scale[None, :, None, None]

    def fold_into(self, readers: Sequence[nn.Module]) -> None:
        """Multiply the scale into the convolutions that read the map: what is left has no weights.

        Each reader pads with zeros, which a scale leaves as they are.
        """
        if self.scale is None:
            return
        for reader in readers:
            assert isinstance(reader, nn.Conv2d)
            reader.weight.data *= self.scale.data[None, :, None, None]  # [out, in, kh, kw]
        self.scale = None


def _unit_vectors(x: Tensor) -> Tensor:
    return functional.normalize(x, dim=1, eps=SMALLEST_NORM)


class _LpNormalization(torch.autograd.Function):
    """The normalisation as the one ONNX operator that the HTP has as one, too (L2Norm).

    As ReduceL2 and Div it runs there in five, one of them in float between a Dequantize and a
    Quantize. The HTP normalises along the last axis: with the transposes the cells' channels
    are that, and both cancel with those of its own layout.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return _unit_vectors(x)

    @staticmethod
    def symbolic(g: Any, x: Any) -> Any:
        rows = g.op("Transpose", x, perm_i=[0, 2, 3, 1])  # [n, c, h, w] -> [n, h, w, c]
        unit = g.op("LpNormalization", rows, axis_i=-1, p_i=2)
        return g.op("Transpose", unit, perm_i=[0, 3, 1, 2])  # [n, h, w, c] -> [n, c, h, w]
