"""8 and 16 bits in one graph: what is wide, where it is converted, and what it gains."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto

from hexdet.errors import RecipeError
from hexdet.quantization.cpu_session import cpu_session
from hexdet.quantization.encodings import encodings_of, output_encodings_of
from hexdet.quantization.quantize import quantize_graph
from hexdet.recipe import QuantizationSection
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import normalise

Pixels = npt.NDArray[np.uint8]
OUTPUTS = ("scores_8", "boxes_8")
SECTIONS = {
    "none": QuantizationSection(),
    "one": QuantizationSection(wide=("hidden",)),
    "all": QuantizationSection(activation_bits=16),
    "per tensor": QuantizationSection(activation_bits=16, weights="per_tensor"),
}


@pytest.fixture(scope="module")
def graphs(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec
) -> dict[str, onnx.ModelProto]:
    return {
        name: quantize_graph(float_graph, list(pixels), spec, section).model
        for name, section in SECTIONS.items()
    }


def widths(model: onnx.ModelProto, section: QuantizationSection) -> dict[str, int]:
    entries = encodings_of(model, section)["activation_encodings"]
    return {name: entry[0]["bitwidth"] for name, entry in entries.items()}


@pytest.mark.parametrize("name", ["one", "all", "per tensor"])
def test_inner_activations_are_wide_and_the_ends_are_not(
    graphs: dict[str, onnx.ModelProto], name: str
) -> None:
    assert widths(graphs[name], SECTIONS[name]) == {
        "image": 8,
        "image_convert": 16,  # for the convolution, which works in 16 bits
        "hidden": 16,
        "raw_scores": 16,
        "raw_boxes": 16,
        "scores_8": 8,
        "boxes_8": 8,
    }


def test_8_bits_need_no_conversion(graphs: dict[str, onnx.ModelProto]) -> None:
    found = widths(graphs["none"], SECTIONS["none"])
    assert found == {"image": 8, "hidden": 8, "scores_8": 8, "boxes_8": 8}


@pytest.mark.parametrize("name", SECTIONS)
def test_the_graph_reads_and_gives_uint8(graphs: dict[str, onnx.ModelProto], name: str) -> None:
    graph = graphs[name].graph
    kinds = [v.type.tensor_type.elem_type for v in [*graph.input, *graph.output]]
    assert kinds == [TensorProto.UINT8] * 3
    assert [o.name for o in graph.output] == list(OUTPUTS)


@pytest.mark.parametrize("name", SECTIONS)
def test_weights_stay_8_bits(graphs: dict[str, onnx.ModelProto], name: str) -> None:
    parameters = encodings_of(graphs[name], SECTIONS[name])["param_encodings"]
    found = {n: {e["bitwidth"] for e in entries} for n, entries in parameters.items()}
    assert {n: found[n] for n in found if n.endswith("weight")} == {
        f"{n}.weight": {8} for n in ("stem", "score_head", "box_head")
    }


@pytest.mark.parametrize("name", SECTIONS)
def test_the_opset_changes_only_where_it_must(
    graphs: dict[str, onnx.ModelProto], name: str
) -> None:
    opsets = {o.domain: o.version for o in graphs[name].opset_import}
    assert opsets[""] == (17 if name == "none" else 21)
    assert {n.domain for n in graphs[name].graph.node} == {""}


def test_the_image_is_widened_without_loss(graphs: dict[str, onnx.ModelProto]) -> None:
    entries = encodings_of(graphs["all"], SECTIONS["all"])["activation_encodings"]
    (image,), (wide,) = entries["image"], entries["image_convert"]
    assert wide["scale"] == image["scale"] / 256
    assert wide["offset"] == image["offset"] * 256


def test_wide_activations_are_nearer_to_the_float_graph(
    float_graph: onnx.ModelProto,
    graphs: dict[str, onnx.ModelProto],
    pixels: Pixels,
    spec: InputSpec,
) -> None:
    errors: dict[str, float] = {}
    sessions = {name: cpu_session(model) for name, model in graphs.items()}
    for image in pixels:
        expected = cpu_session(float_graph).run(OUTPUTS, {"image": normalise(image, spec)})
        for name, session in sessions.items():
            known = output_encodings_of(encodings_of(graphs[name], SECTIONS[name]), OUTPUTS)
            for output, codes, real in zip(
                OUTPUTS, session.run(OUTPUTS, {"image": image}), expected, strict=True
            ):
                error = known[output].dequantize(codes) - real
                errors[name] = errors.get(name, 0.0) + float(np.square(error).mean())
    assert errors["one"] < 0.97 * errors["none"]
    assert errors["all"] < 0.97 * errors["none"]


@pytest.mark.parametrize(
    ("wide", "message"),
    [
        ("hiden", "no activation 'hiden'; did you mean 'hidden'"),
        ("image", "image always has 8 bits"),
        ("scores_8", "scores_8 always has 8 bits"),
        ("raw_boxes", "raw_boxes always has 8 bits"),
        ("stem_out", "stem_out ends in a clip: name 'hidden'"),
    ],
)
@pytest.mark.parametrize("bits", [8, 16])
def test_a_name_without_codes_of_its_own_is_refused(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec, wide: str, message: str,
    bits: Any,
) -> None:  # fmt: skip
    section = QuantizationSection(activation_bits=bits, wide=(wide,))
    with pytest.raises(RecipeError, match=message):
        quantize_graph(float_graph, list(pixels[:1]), spec, section)
