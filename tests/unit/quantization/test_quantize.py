"""The order of the methods, and what comes back beside the integer graph."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from hexdet.errors import ArtifactError, DataError
from hexdet.quantization.encodings import code_tensors
from hexdet.quantization.quantize import EQUALISED, base_path, quantize_graph
from hexdet.quantization.weight_grid import weight_grids
from hexdet.recipe import QuantizationSection
from hexdet.runtime.contract import InputSpec

Pixels = npt.NDArray[np.uint8]
METHODS = "hexdet.quantization.methods"


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "entropy", "mse"])
def test_without_images_there_are_no_ranges(
    float_graph: onnx.ModelProto, spec: InputSpec, ranges: Any
) -> None:
    with pytest.raises(DataError, match="no calibration image"):
        quantize_graph(float_graph, [], spec, QuantizationSection(ranges=ranges))


def test_nothing_asked_for_leaves_the_float_graph_as_it_was(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec
) -> None:
    found = quantize_graph(float_graph, list(pixels), spec, QuantizationSection())
    for before, after in zip(
        float_graph.graph.initializer, found.base.graph.initializer, strict=True
    ):
        assert before == after
    assert [n.output for n in found.base.graph.node] == [n.output for n in float_graph.graph.node]


def test_nodes_without_a_name_can_be_quantized_in_every_width(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec
) -> None:
    nameless = onnx.ModelProto()
    nameless.CopyFrom(float_graph)
    for node in nameless.graph.node:
        node.name = ""
    for bits in (8, 16):
        section = QuantizationSection(activation_bits=bits)
        named = quantize_graph(float_graph, list(pixels[:2]), spec, section).model
        found = quantize_graph(nameless, list(pixels[:2]), spec, section).model
        assert code_tensors(found).keys() == code_tensors(named).keys()


def fake(monkeypatch: pytest.MonkeyPatch, module: str, **functions: Any) -> None:
    """Put functions in the place of a method that needs AIMET."""
    stand_in = ModuleType(f"{METHODS}.{module}")
    vars(stand_in).update(functions)
    monkeypatch.setitem(sys.modules, f"{METHODS}.{module}", stand_in)


def changed(model: onnx.ModelProto, factor: float) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for weight in copy.graph.initializer:
        if weight.name.endswith("weight"):
            values = numpy_helper.to_array(weight) * np.float32(factor)
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    return copy


def test_methods_run_in_their_order_and_each_reads_what_the_last_one_made(
    float_graph: onnx.ModelProto,
    pixels: Pixels,
    spec: InputSpec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[str] = []
    section = QuantizationSection(equalise=True, rounding="adaround", correct_bias=True)
    equalised = changed(float_graph, 2)

    def equalise(model: onnx.ModelProto) -> onnx.ModelProto:
        ran.append("equalise")
        return changed(model, 2)

    def round_weights(model: Any, images: Any, *rest: Any) -> Any:
        ran.append("adaround")
        assert len(images) == 6
        assert list(model.graph.initializer) == list(equalised.graph.initializer)
        grids = weight_grids(model, section)
        scales = {name: (grid.scale, grid.zero_point) for name, grid in grids.items()}
        return SimpleNamespace(model=changed(model, 0.5), scales=scales)

    def correct_biases(float_model: Any, integer_model: Any, *rest: Any) -> onnx.ModelProto:
        ran.append("bias")
        assert list(float_model.graph.initializer) == list(equalised.graph.initializer)
        found = code_tensors(integer_model)
        for name, grid in weight_grids(float_model, section).items():
            np.testing.assert_array_equal(found[name].scale, grid.scale)
        integer_model.producer_name = "corrected"
        return integer_model

    fake(monkeypatch, "equalisation", equalise=equalise)
    fake(monkeypatch, "adaround", round_weights=round_weights)
    fake(monkeypatch, "bias_correction", correct_biases=correct_biases)
    found = quantize_graph(float_graph, list(pixels), spec, section)
    assert ran == ["equalise", "adaround", "bias"]
    assert found.model.producer_name == "corrected"
    assert list(found.base.graph.initializer) == list(equalised.graph.initializer)


@pytest.mark.parametrize("bits", [8, 16])
def test_biases_can_be_corrected_in_every_width(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec, bits: Any
) -> None:
    section = QuantizationSection(activation_bits=bits)
    plain = quantize_graph(float_graph, list(pixels), spec, section).model
    section = QuantizationSection(activation_bits=bits, correct_bias=True)
    found = quantize_graph(float_graph, list(pixels), spec, section).model
    assert code_tensors(found).keys() == code_tensors(plain).keys()
    assert found.SerializeToString() != plain.SerializeToString()


def test_the_base_of_a_bundle_is_the_equalised_graph_where_there_is_one(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError):
        base_path(tmp_path)
    (tmp_path / "float.onnx").touch()
    assert base_path(tmp_path) == tmp_path / "float.onnx"
    (tmp_path / EQUALISED).touch()
    assert base_path(tmp_path) == tmp_path / EQUALISED
