"""The integer graph: its ends, what it drops, and how near it stays to the float graph."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from hexdet.errors import ArtifactError
from hexdet.quantization.encodings import encodings_of, output_encodings_of
from hexdet.quantization.graph_edits import cut_output_transposes, drop_unused
from hexdet.quantization.quantize import quantize_graph
from hexdet.recipe import QuantizationSection
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import normalise

Schemes = dict[str, onnx.ModelProto]
TOLERANCE_CODES = 4
"""Of an output: half a code for its own rounding, and for each of the 8 hidden channels half a
code of the activation and half a code of the weight, each worth up to about one output code; of
random sign they add up to about sqrt(16) * 0.5 = 2 codes of the worst value, and 4 is twice that.
A wrong scale, zero point or layout is off by tens of codes."""


def run(
    model: onnx.ModelProto, image: npt.NDArray[np.generic]
) -> dict[str, npt.NDArray[np.generic]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def value_of(value: onnx.ValueInfoProto) -> tuple[str, int, list[int]]:
    tensor = value.type.tensor_type
    return value.name, tensor.elem_type, [d.dim_value for d in tensor.shape.dim]


@pytest.mark.parametrize("scheme", ["per_channel", "per_tensor"])
def test_the_input_is_the_raw_picture(quantized: Schemes, scheme: str) -> None:
    (image,) = quantized[scheme].graph.input
    assert value_of(image) == ("image", TensorProto.UINT8, [1, 16, 24, 3])


@pytest.mark.parametrize("scheme", ["per_channel", "per_tensor"])
def test_outputs_keep_name_order_and_shape_and_become_codes(
    float_graph: onnx.ModelProto, quantized: Schemes, scheme: str
) -> None:
    before = [value_of(o) for o in float_graph.graph.output]
    assert before == [
        ("scores_8", TensorProto.FLOAT, [1, 8, 12, 4]),
        ("boxes_8", TensorProto.FLOAT, [1, 8, 12, 8]),
    ]
    after = [value_of(o) for o in quantized[scheme].graph.output]
    assert after == [(name, TensorProto.UINT8, shape) for name, _, shape in before]


@pytest.mark.parametrize("scheme", ["per_channel", "per_tensor"])
def test_nothing_unused_is_left(quantized: Schemes, scheme: str) -> None:
    graph = quantized[scheme].graph
    read = {name for node in graph.node for name in node.input}
    assert {i.name for i in graph.initializer} <= read
    assert not graph.value_info
    assert not quantized[scheme].metadata_props
    outputs = {o.name for o in graph.output}
    assert all(set(node.output) & (read | outputs) for node in graph.node)


@pytest.mark.parametrize("scheme", ["per_channel", "per_tensor"])
def test_ends_are_transposes_of_codes(quantized: Schemes, scheme: str) -> None:
    graph = quantized[scheme].graph
    assert graph.node[0].op_type == "Transpose" and graph.node[0].input[0] == "image"
    producers = {name: node for node in graph.node for name in node.output}
    for output in graph.output:
        transpose = producers[output.name]
        assert transpose.op_type == "Transpose"
        assert producers[transpose.input[0]].op_type == "QuantizeLinear"
    # The picture itself is never quantized: its pixels are its codes.
    dequantize = next(n for n in graph.node if n.input[0] == graph.node[0].output[0])
    assert dequantize.op_type == "DequantizeLinear"


@pytest.mark.parametrize("scheme", ["per_channel", "per_tensor"])
def test_the_integer_graph_stays_near_the_float_one(
    float_graph: onnx.ModelProto,
    quantized: Schemes,
    pixels: npt.NDArray[np.uint8],
    spec: InputSpec,
    scheme: str,
) -> None:
    model = quantized[scheme]
    section = QuantizationSection(weights=scheme)  # type: ignore[arg-type]
    names = [o.name for o in model.graph.output]
    encodings = output_encodings_of(encodings_of(model, section), names)
    errors: dict[str, list[float]] = {name: [] for name in names}
    codes_seen: dict[str, set[int]] = {name: set() for name in names}
    for image in pixels:
        expected = run(float_graph, normalise(image, spec))
        found = run(model, image)
        assert found.keys() == expected.keys()
        for name in names:
            codes = np.asarray(found[name], np.uint8)
            assert codes.shape == expected[name].shape
            real = encodings[name].dequantize(codes)
            error = np.abs(real - expected[name]) / encodings[name].scale
            errors[name].append(float(error.max()))
            codes_seen[name] |= set(codes.ravel().tolist())
    for name in names:
        assert max(codes_seen[name]) - min(codes_seen[name]) > 150  # a code is a small step
        assert max(errors[name]) <= TOLERANCE_CODES, (name, errors[name])


def test_the_float_graph_is_not_touched(
    float_graph: onnx.ModelProto, pixels: npt.NDArray[np.uint8], spec: InputSpec
) -> None:
    before = float_graph.SerializeToString(deterministic=True)
    quantize_graph(float_graph, list(pixels[:1]), spec, QuantizationSection())
    assert float_graph.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("scheme", ["per_channel", "per_tensor"])
def test_two_runs_give_the_same_bytes(
    float_graph: onnx.ModelProto,
    quantized: Schemes,
    pixels: npt.NDArray[np.uint8],
    spec: InputSpec,
    scheme: str,
) -> None:
    section = QuantizationSection(weights=scheme)  # type: ignore[arg-type]
    again = quantize_graph(float_graph, list(pixels), spec, section).model
    assert again.SerializeToString() == quantized[scheme].SerializeToString()


def test_calibration_images_set_the_ranges(
    float_graph: onnx.ModelProto, quantized: Schemes, pixels: npt.NDArray[np.uint8], spec: InputSpec
) -> None:
    dull = np.full_like(pixels[:1], 127)
    other = quantize_graph(float_graph, list(dull), spec, QuantizationSection()).model
    assert other.SerializeToString() != quantized["per_channel"].SerializeToString()


def test_progress_is_told_image_by_image(
    float_graph: onnx.ModelProto, pixels: npt.NDArray[np.uint8], spec: InputSpec
) -> None:
    told: list[tuple[int, int]] = []
    section = QuantizationSection()
    quantize_graph(float_graph, list(pixels[:3]), spec, section, lambda *c: told.append(c))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_cutting_makes_the_raw_convolutions_the_outputs(float_graph: onnx.ModelProto) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(float_graph)
    renamed = cut_output_transposes(model)
    assert renamed == {"raw_scores": "scores_8", "raw_boxes": "boxes_8"}
    assert [value_of(o) for o in model.graph.output] == [
        ("raw_scores", TensorProto.FLOAT, [1, 4, 8, 12]),
        ("raw_boxes", TensorProto.FLOAT, [1, 8, 8, 12]),
    ]
    assert "Transpose" not in {node.op_type for node in model.graph.node}
    onnx.checker.check_model(model, full_check=True)


def _ends_in_a_clip(graph: onnx.GraphProto) -> None:
    """The last Transpose becomes an activation of the raw convolution."""
    graph.node[-1].CopyFrom(helper.make_node("Relu", ["raw_boxes"], ["boxes_8"]))


def _transposes_an_activation(graph: onnx.GraphProto) -> None:
    graph.node[-1].input[0] = "activated"
    graph.node.insert(len(graph.node) - 1, helper.make_node("Relu", ["raw_boxes"], ["activated"]))


def _transposes_otherwise(graph: onnx.GraphProto) -> None:
    graph.node[-1].attribute[0].ints[:] = [0, 3, 1, 2]


def _gives_the_input_back(graph: onnx.GraphProto) -> None:
    graph.node.remove(graph.node[-1])
    graph.output[1].CopyFrom(graph.input[0])


@pytest.mark.parametrize(
    ("edit", "name"),
    [
        (_ends_in_a_clip, "boxes_8"),
        (_transposes_an_activation, "boxes_8"),
        (_transposes_otherwise, "boxes_8"),
        (_gives_the_input_back, "image"),
    ],
)
def test_an_unknown_ending_is_refused(
    float_graph: onnx.ModelProto,
    pixels: npt.NDArray[np.uint8],
    spec: InputSpec,
    edit: Callable[[onnx.GraphProto], None],
    name: str,
) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(float_graph)
    edit(model.graph)
    with pytest.raises(ArtifactError, match=f"the output {name} .*export it again"):
        quantize_graph(model, list(pixels[:1]), spec, QuantizationSection())


def test_dropping_keeps_what_an_output_needs_and_its_order() -> None:
    def constant(name: str) -> onnx.TensorProto:
        return numpy_helper.from_array(np.ones(2, np.float32), name)

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    graph = helper.make_graph(
        [
            helper.make_node("Add", ["x", "used"], ["a"]),
            helper.make_node("Add", ["a", "unused"], ["dead"]),
            helper.make_node("Relu", ["dead"], ["deader"]),
            helper.make_node("Relu", ["a"], ["y"]),
        ],
        "g",
        [value],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
        [constant("used"), constant("unused"), constant("never read")],
        value_info=[helper.make_tensor_value_info("dead", TensorProto.FLOAT, [2])],
    )
    model = helper.make_model(graph)
    drop_unused(model)
    assert [list(node.output) for node in model.graph.node] == [["a"], ["y"]]
    assert [i.name for i in model.graph.initializer] == ["used"]
    assert not model.graph.value_info
    onnx.checker.check_model(model, full_check=True)
