"""Corrected biases: each channel's mean is the float graph's, and nothing else moved."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from hexdet.errors import ArtifactError
from hexdet.quantization.cpu_session import cpu_session
from hexdet.quantization.encodings import code_tensors
from hexdet.quantization.methods.bias_correction import correct_biases
from hexdet.quantization.quantize import quantize_graph
from hexdet.recipe import QuantizationSection
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import normalise

Pixels = npt.NDArray[np.uint8]
OUTPUTS = ("scores_8", "boxes_8")
SCHEMES = ("per_channel", "per_tensor")


def shifted(model: onnx.ModelProto, codes: int) -> onnx.ModelProto:
    """Return an integer graph whose biases are wrong by so many codes."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for value in result.graph.initializer:
        if "bias" in value.name and value.data_type == onnx.TensorProto.INT32 and value.dims:
            array = numpy_helper.to_array(value)
            if np.any(array):
                value.CopyFrom(numpy_helper.from_array(array + np.int32(codes), value.name))
    return result


def mean_errors(
    float_graph: onnx.ModelProto, model: onnx.ModelProto, pixels: Pixels, spec: InputSpec
) -> dict[str, npt.NDArray[np.float64]]:
    """Return how far the mean of each output channel is from the float graph's."""
    encodings = code_tensors(model)
    sums = {name: np.zeros(1) for name in OUTPUTS}
    exact, integer = cpu_session(float_graph), cpu_session(model)
    for image in pixels:
        expected = exact.run(OUTPUTS, {"image": normalise(image, spec)})
        found = integer.run(OUTPUTS, {"image": image})
        for name, a, b in zip(OUTPUTS, expected, found, strict=True):
            known = encodings[name]
            real = (b.astype(np.float64) - known.zero_point) * known.scale
            sums[name] = sums[name] + (real - a).mean(axis=(0, 1, 2))
    return {name: np.abs(total) / len(pixels) for name, total in sums.items()}


@pytest.mark.parametrize("scheme", SCHEMES)
class TestCorrected:
    def test_the_mean_error_shrinks(
        self,
        scheme: str,
        float_graph: onnx.ModelProto,
        quantized: dict[str, onnx.ModelProto],
        pixels: Pixels,
        spec: InputSpec,
    ) -> None:
        wrong = shifted(quantized[scheme], 400)
        corrected = correct_biases(float_graph, wrong, list(pixels), spec)
        before = mean_errors(float_graph, wrong, pixels, spec)
        after = mean_errors(float_graph, corrected, pixels, spec)
        scales = code_tensors(corrected)
        for name in OUTPUTS:
            assert after[name].max() < 0.5 * before[name].max()
            assert after[name].max() < scales[name].scale  # less than one code

    def test_only_biases_move_and_stay_int32(
        self,
        scheme: str,
        float_graph: onnx.ModelProto,
        quantized: dict[str, onnx.ModelProto],
        pixels: Pixels,
        spec: InputSpec,
    ) -> None:
        model = shifted(quantized[scheme], 400)
        before = model.SerializeToString()
        corrected = correct_biases(float_graph, model, list(pixels), spec)
        assert model.SerializeToString() == before
        assert list(corrected.graph.node) == list(model.graph.node)
        moved = [
            a.name
            for a, b in zip(model.graph.initializer, corrected.graph.initializer, strict=True)
            if a != b
        ]
        assert moved
        for name in moved:
            assert "bias" in name
            value = next(v for v in corrected.graph.initializer if v.name == name)
            assert value.data_type == onnx.TensorProto.INT32


def test_a_layer_is_corrected_for_what_the_layers_before_it_do(
    float_graph: onnx.ModelProto,
    quantized: dict[str, onnx.ModelProto],
    pixels: Pixels,
    spec: InputSpec,
) -> None:
    """The first layer alone is wrong: mended, it leaves nothing for the heads to make up for."""
    right = quantized["per_channel"]
    wrong = onnx.ModelProto()
    wrong.CopyFrom(right)
    for value in wrong.graph.initializer:
        if value.name == "stem.bias_quantized":
            array = numpy_helper.to_array(value)
            value.CopyFrom(numpy_helper.from_array(array + np.int32(500), value.name))
    a, b = (
        correct_biases(float_graph, m, list(pixels), spec).graph.initializer for m in (right, wrong)
    )
    assert list(a) == list(b)


def test_sixteen_bits_are_corrected_too(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec
) -> None:
    section = QuantizationSection(wide=("hidden",))
    model = shifted(quantize_graph(float_graph, list(pixels), spec, section).model, 400)
    corrected = correct_biases(float_graph, model, list(pixels), spec)
    before = mean_errors(float_graph, model, pixels, spec)
    after = mean_errors(float_graph, corrected, pixels, spec)
    assert all(after[name].max() < before[name].max() for name in OUTPUTS)


def test_progress_counts_the_convolutions(
    float_graph: onnx.ModelProto,
    quantized: dict[str, onnx.ModelProto],
    pixels: Pixels,
    spec: InputSpec,
) -> None:
    seen: list[tuple[int, int]] = []
    correct_biases(
        float_graph,
        quantized["per_tensor"],
        list(pixels),
        spec,
        lambda done, total: seen.append((done, total)),
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]


class TestRefused:
    def test_no_image(
        self,
        float_graph: onnx.ModelProto,
        quantized: dict[str, onnx.ModelProto],
        spec: InputSpec,
    ) -> None:
        with pytest.raises(ArtifactError, match="no image"):
            correct_biases(float_graph, quantized["per_tensor"], [], spec)

    def test_the_float_graph_of_another_network(
        self,
        float_graph: onnx.ModelProto,
        quantized: dict[str, onnx.ModelProto],
        pixels: Pixels,
        spec: InputSpec,
    ) -> None:
        other = onnx.ModelProto()
        other.CopyFrom(float_graph)
        other.graph.node[0].name = "root"
        with pytest.raises(ArtifactError, match="has no convolution stem"):
            correct_biases(other, quantized["per_tensor"], list(pixels), spec)
