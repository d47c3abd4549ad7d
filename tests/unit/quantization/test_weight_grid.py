"""The weights' grid is the quantizer's own, and can be pinned."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from hexdet.quantization.encodings import code_tensors
from hexdet.quantization.graph_edits import absorb_clips, cut_output_transposes
from hexdet.quantization.qdq import to_qdq
from hexdet.quantization.ranges.estimators import Range
from hexdet.quantization.weight_grid import pinned_weights, weight_grids
from hexdet.recipe import QuantizationSection

WEIGHTS = {"stem.weight", "score_head.weight", "box_head.weight"}
RANGE = Range(low=-8.0, high=8.0)


@pytest.mark.parametrize("scheme", ["per_channel", "per_tensor"])
def test_it_is_what_the_quantizer_computes(
    float_graph: onnx.ModelProto, quantized: dict[str, onnx.ModelProto], scheme: Any
) -> None:
    grids = weight_grids(float_graph, QuantizationSection(weights=scheme))
    found = code_tensors(quantized[scheme])
    assert grids.keys() == WEIGHTS
    for name, grid in grids.items():
        np.testing.assert_array_equal(grid.scale, found[name].scale)
        np.testing.assert_array_equal(grid.zero_point, found[name].zero_point)
        assert grid.zero_point.dtype == found[name].zero_point.dtype
        assert grid.scale.dtype == np.float32


@pytest.mark.parametrize("scheme", ["per_channel", "per_tensor"])
def test_a_pinned_grid_is_kept_for_weights_that_fill_it_no_longer(
    float_graph: onnx.ModelProto, scheme: Any
) -> None:
    section = QuantizationSection(weights=scheme)
    grids = weight_grids(float_graph, section)
    model = onnx.ModelProto()
    model.CopyFrom(float_graph)
    cut_output_transposes(model)
    absorb_clips(model)
    expected: dict[str, npt.NDArray[Any]] = {}
    for weight in model.graph.initializer:
        if weight.name in grids:
            grid = grids[weight.name]
            shape = (-1, 1, 1, 1) if grid.scale.ndim else ()
            zero = grid.zero_point.astype(int).reshape(shape)
            codes = np.rint(0.7 * numpy_helper.to_array(weight) / grid.scale.reshape(shape)) + zero
            expected[weight.name] = codes
            values = ((codes - zero) * grid.scale.reshape(shape)).astype(np.float32)
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    result = to_qdq(
        model,
        dict.fromkeys(("image", "hidden", "raw_scores", "raw_boxes"), RANGE),
        pinned_weights({name: (g.scale, g.zero_point) for name, g in grids.items()}),
        per_channel=scheme == "per_channel",
        wide=False,
    )
    constants = {i.name: numpy_helper.to_array(i) for i in result.graph.initializer}
    for name, grid in grids.items():
        np.testing.assert_array_equal(constants[f"{name}_scale"], grid.scale)
        np.testing.assert_array_equal(constants[f"{name}_zero_point"], grid.zero_point)
        np.testing.assert_array_equal(constants[f"{name}_quantized"], expected[name])
