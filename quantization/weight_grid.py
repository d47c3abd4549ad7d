"""The codes that weights can take: computed as onnxruntime's quantizer does, or pinned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, numpy_helper
from onnxruntime.quantization.quant_utils import compute_data_quant_params

from ..recipe import QuantizationSection
from .widths import Overrides

SMALLEST_RANGE = 1e-4
"""Width of the narrowest range of a weight: Qualcomm's setting in `get_qnn_qdq_config`."""


@dataclass(frozen=True, kw_only=True)
class WeightGrid:
    """Where a weight's codes lie: weight = (code - zero_point) * scale.

    scale: float32 [channels], or a number where all channels share it; zero_point: of the same
    shape, of the codes' dtype (int8 per channel, uint8 per tensor).
    """

    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[Any]


def weight_grids(model: onnx.ModelProto, section: QuantizationSection) -> dict[str, WeightGrid]:
    """Return the grid of every convolution's weight of a float graph, by the weight's name."""
    constants = {i.name: i for i in model.graph.initializer}
    names = [
        n.input[1] for n in model.graph.node if n.op_type == "Conv" and n.input[1] in constants
    ]
    return {name: _grid(numpy_helper.to_array(constants[name]), section) for name in names}


def pinned_weights(grids: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> Overrides:
    """Return the overrides that make the quantizer keep grids, (scale, zero point) by weight.

    For weights that were moved onto their grid: their extremes may no longer be on its ends.
    """
    pinned: Overrides = {}
    for name, (scale, zero_point) in grids.items():
        pairs = zip(np.atleast_1d(scale), np.atleast_1d(zero_point), strict=True)
        channels: list[dict[str, Any]] = [
            {"scale": np.asarray(s), "zero_point": np.asarray(z)} for s, z in pairs
        ]
        if scale.ndim:
            channels[0]["axis"] = 0
        pinned[name] = channels
    return pinned


def _grid(weight: npt.NDArray[np.float32], section: QuantizationSection) -> WeightGrid:
    if section.weights == "per_tensor":
        zero_point, scale = _parameters(weight, TensorProto.UINT8, symmetric=False)
        return WeightGrid(scale=scale, zero_point=zero_point)
    rows = [_parameters(row, TensorProto.INT8, symmetric=True) for row in weight]
    return WeightGrid(
        scale=np.array([scale for _, scale in rows], np.float32),
        zero_point=np.array([zero for zero, _ in rows], np.int8),
    )


def _parameters(
    values: npt.NDArray[np.float32], kind: int, *, symmetric: bool
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32]]:
    zero_point, scale = compute_data_quant_params(
        values.ravel(), kind, symmetric, min_real_range=SMALLEST_RANGE
    )
    return np.asarray(zero_point), np.asarray(scale, np.float32)
