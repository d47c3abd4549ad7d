"""A float graph small enough to quantize in a moment, ending as the real ones do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hexdet.quantization.quantize import quantize_graph
from hexdet.recipe import QuantizationSection
from hexdet.runtime.contract import InputSpec

HEIGHT, WIDTH, HIDDEN = 16, 24, 8


@pytest.fixture(scope="module")
def spec() -> InputSpec:
    return InputSpec(width=WIDTH, height=HEIGHT)


@pytest.fixture(scope="module")
def pixels() -> npt.NDArray[np.uint8]:
    """Six pictures [6, 1, h, w, 3] that together use the whole range of the pixels."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (6, 1, HEIGHT, WIDTH, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def float_graph() -> onnx.ModelProto:
    """A convolution with ReLU6, and over it two heads: raw convolutions, transposed to NHWC.

    The output channels' weights differ in size by up to ten times, so that quantizing them per
    channel and per tensor differ.
    """
    rng = np.random.default_rng(0)
    constants: list[onnx.TensorProto] = []

    def convolution(
        name: str, source: str, target: str, shape: tuple[int, ...], stride: int = 1
    ) -> onnx.NodeProto:
        size = (1 if stride == 1 else 8) * np.geomspace(0.1, 1, shape[0]).reshape(-1, 1, 1, 1)
        weight = rng.normal(size=shape) * size / np.sqrt(np.prod(shape[1:]))
        bias = rng.normal(size=shape[0]) * 0.1
        for suffix, value in (("weight", weight), ("bias", bias)):
            constants.append(numpy_helper.from_array(value.astype(np.float32), f"{name}.{suffix}"))
        pad, kernel = shape[2] // 2, list(shape[2:])
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        return helper.make_node(
            "Conv", inputs, [target], name=name,
            kernel_shape=kernel, pads=[pad] * 4, strides=[stride] * 2,
        )  # fmt: skip

    for name, value in (("low", 0.0), ("high", 6.0)):
        constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
    rows, columns = HEIGHT // 2, WIDTH // 2
    nodes = [
        convolution("stem", "image", "stem_out", (HIDDEN, 3, 3, 3), 2),
        helper.make_node("Clip", ["stem_out", "low", "high"], ["hidden"], name="clip"),
        convolution("score_head", "hidden", "raw_scores", (4, HIDDEN, 1, 1)),
        convolution("box_head", "hidden", "raw_boxes", (8, HIDDEN, 3, 3)),
        helper.make_node("Transpose", ["raw_scores"], ["scores_8"], name="t1", perm=[0, 2, 3, 1]),
        helper.make_node("Transpose", ["raw_boxes"], ["boxes_8"], name="t2", perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        [
            helper.make_tensor_value_info("scores_8", TensorProto.FLOAT, [1, rows, columns, 4]),
            helper.make_tensor_value_info("boxes_8", TensorProto.FLOAT, [1, rows, columns, 8]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


@pytest.fixture(scope="module")
def quantized(
    float_graph: onnx.ModelProto, pixels: npt.NDArray[np.uint8], spec: InputSpec
) -> dict[str, onnx.ModelProto]:
    """The integer graph by how its weights were quantized."""
    return {
        scheme: quantize_graph(
            float_graph, list(pixels), spec, QuantizationSection(weights=scheme)
        ).model
        for scheme in ("per_channel", "per_tensor")
    }
