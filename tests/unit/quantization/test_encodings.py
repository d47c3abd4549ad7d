"""encodings.json: every number agrees with the graph it was read from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from hexdet.quantization.encodings import (
    FILE_NAME,
    encodings_of,
    output_encodings_of,
    save_encodings,
)
from hexdet.quantization.quantize import quantize_graph
from hexdet.recipe import QuantizationSection
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.encodings import Encoding

Encodings = dict[str, Any]
SCHEMES = ("per_channel", "per_tensor")
CHANNELS = {"stem": 8, "score_head": 4, "box_head": 8}
OUTPUTS = ("scores_8", "boxes_8")


@pytest.fixture(scope="module")
def written(quantized: dict[str, onnx.ModelProto]) -> dict[str, Encodings]:
    return {
        scheme: encodings_of(model, QuantizationSection(weights=scheme))  # type: ignore[arg-type]
        for scheme, model in quantized.items()
    }


def initializers(model: onnx.ModelProto) -> dict[str, npt.NDArray[Any]]:
    return {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_file_has_the_fields_of_the_format(written: dict[str, Encodings], scheme: str) -> None:
    found = written[scheme]
    assert found["version"] == "0.6.1"
    assert found.keys() == {
        "version",
        "activation_encodings",
        "param_encodings",
        "quantizer_args",
        "excluded_layers",
    }
    assert found["quantizer_args"] == {
        "activation_bitwidth": 8,
        "param_bitwidth": 8,
        "dtype": "int",
        "is_symmetric": str(scheme == "per_channel"),
        "per_channel_quantization": str(scheme == "per_channel"),
        "quant_scheme": "minmax",
    }
    for section in ("activation_encodings", "param_encodings"):
        for entry in (e for entries in found[section].values() for e in entries):
            assert entry.keys() == {
                "bitwidth", "dtype", "is_symmetric", "min", "max", "offset", "scale"
            }  # fmt: skip
            assert entry["dtype"] == "int"
            assert type(entry["offset"]) is int and type(entry["scale"]) is float


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tensors_bear_the_names_of_the_float_graph(
    written: dict[str, Encodings], float_graph: onnx.ModelProto, scheme: str
) -> None:
    tensors = {"image"} | {name for node in float_graph.graph.node for name in node.output}
    activations = written[scheme]["activation_encodings"]
    assert list(activations) == ["boxes_8", "hidden", "image", "scores_8"]  # sorted
    assert activations.keys() <= tensors
    parameters = {f"{name}.{kind}" for name in CHANNELS for kind in ("weight", "bias")}
    assert written[scheme]["param_encodings"].keys() == parameters


@pytest.mark.parametrize("scheme", SCHEMES)
def test_limits_offset_and_scale_agree(written: dict[str, Encodings], scheme: str) -> None:
    """min = offset * scale, max = (codes - 1 + offset) * scale: the offset is of unsigned codes."""
    found = written[scheme]
    for section in ("activation_encodings", "param_encodings"):
        for name, entries in found[section].items():
            for entry in entries:
                assert entry["scale"] > 0
                last = 2 ** entry["bitwidth"] - 1
                assert entry["min"] == pytest.approx(entry["offset"] * entry["scale"]), name
                assert entry["max"] == pytest.approx((last + entry["offset"]) * entry["scale"])
                assert entry["min"] <= 0 <= entry["max"]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", CHANNELS)
def test_parameters_have_an_entry_a_channel_or_one(
    written: dict[str, Encodings], scheme: str, name: str
) -> None:
    count = CHANNELS[name] if scheme == "per_channel" else 1
    parameters = written[scheme]["param_encodings"]
    assert len(parameters[f"{name}.weight"]) == count
    assert len(parameters[f"{name}.bias"]) == count
    if count > 1:  # the channels' weights differ in size, so their scales do
        assert len({entry["scale"] for entry in parameters[f"{name}.weight"]}) == count


@pytest.mark.parametrize("name", CHANNELS)
def test_weights_per_channel_are_symmetric_int8(written: dict[str, Encodings], name: str) -> None:
    for entry in written["per_channel"]["param_encodings"][f"{name}.weight"]:
        assert (entry["bitwidth"], entry["is_symmetric"], entry["offset"]) == (8, "True", -128)
        assert entry["min"] == pytest.approx(-128 * entry["scale"])
        assert entry["max"] == pytest.approx(127 * entry["scale"])


@pytest.mark.parametrize("name", CHANNELS)
def test_weights_per_tensor_are_unsigned(written: dict[str, Encodings], name: str) -> None:
    (entry,) = written["per_tensor"]["param_encodings"][f"{name}.weight"]
    assert (entry["bitwidth"], entry["is_symmetric"]) == (8, "False")
    assert -255 < entry["offset"] < 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_activations_are_unsigned_per_tensor(written: dict[str, Encodings], scheme: str) -> None:
    for entries in written[scheme]["activation_encodings"].values():
        (entry,) = entries
        assert (entry["bitwidth"], entry["is_symmetric"]) == (8, "False")
        assert -255 <= entry["offset"] <= 0


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_input_takes_pixels_as_codes(written: dict[str, Encodings], scheme: str) -> None:
    """(pixel - 127) / 128 = (code - 127) * scale, exactly."""
    (entry,) = written[scheme]["activation_encodings"]["image"]
    assert (entry["scale"], entry["offset"]) == (1 / 128, -127)
    assert (entry["min"], entry["max"]) == (-127 / 128, 1.0)


@pytest.mark.parametrize(
    ("mean", "std", "scale", "offset"), [(127.0, 128.0, 1 / 128, -127), (0.0, 256.0, 1 / 256, 0)]
)
def test_the_input_encoding_follows_mean_and_std_not_the_calibration_images(
    float_graph: onnx.ModelProto,
    pixels: npt.NDArray[np.uint8],
    mean: float,
    std: float,
    scale: float,
    offset: int,
) -> None:
    spec, section = InputSpec(width=24, height=16, mean=mean, std=std), QuantizationSection()
    dim = (pixels[:2] // 4).astype(np.uint8)  # no pixel above 63
    found = encodings_of(quantize_graph(float_graph, list(dim), spec, section).model, section)
    (entry,) = found["activation_encodings"]["image"]
    assert (entry["scale"], entry["offset"]) == (scale, offset)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_activation_after_relu6_starts_at_zero_and_ends_at_six(
    written: dict[str, Encodings], scheme: str
) -> None:
    (entry,) = written[scheme]["activation_encodings"]["hidden"]
    assert (entry["offset"], entry["min"]) == (0, 0.0)
    assert entry["max"] == pytest.approx(6.0, abs=1e-5)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", CHANNELS)
def test_codes_under_their_encoding_are_the_float_weights(
    written: dict[str, Encodings],
    quantized: dict[str, onnx.ModelProto],
    float_graph: onnx.ModelProto,
    scheme: str,
    name: str,
) -> None:
    """To half a step: that is what rounding to the nearest code means."""
    expected = initializers(float_graph)[f"{name}.weight"]
    codes = initializers(quantized[scheme])[f"{name}.weight_quantized"].astype(np.int64)
    entries = written[scheme]["param_encodings"][f"{name}.weight"]
    signed = 128 if scheme == "per_channel" else 0  # an offset counts from the lowest code
    shape = (-1, 1, 1, 1)
    scale = np.asarray([e["scale"] for e in entries]).reshape(shape)
    offset = np.asarray([e["offset"] for e in entries]).reshape(shape)
    real = (codes + signed + offset) * scale
    assert (np.abs(real - expected) <= 0.5001 * scale).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize(
    ("name", "source"), [("stem", "image"), ("score_head", "hidden"), ("box_head", "hidden")]
)
def test_the_scale_of_a_bias_is_that_of_the_accumulator(
    written: dict[str, Encodings], scheme: str, name: str, source: str
) -> None:
    found = written[scheme]
    (activation,) = found["activation_encodings"][source]
    weights = found["param_encodings"][f"{name}.weight"]
    for bias, weight in zip(found["param_encodings"][f"{name}.bias"], weights, strict=True):
        assert (bias["bitwidth"], bias["is_symmetric"]) == (32, "True")
        assert bias["offset"] == -(2**31)
        assert bias["scale"] == pytest.approx(activation["scale"] * weight["scale"], rel=1e-6)


def test_no_outputs_no_encodings(written: dict[str, Encodings]) -> None:
    assert output_encodings_of(written["per_channel"], []) == {}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_contract_gets_scale_and_zero_point_of_every_output(
    written: dict[str, Encodings], quantized: dict[str, onnx.ModelProto], scheme: str
) -> None:
    found = output_encodings_of(written[scheme], OUTPUTS)
    constants = initializers(quantized[scheme])
    assert list(found) == list(OUTPUTS)
    for name, raw in zip(OUTPUTS, ("raw_scores", "raw_boxes"), strict=True):
        scale, zero_point = constants[f"{raw}_scale"], constants[f"{raw}_zero_point"]
        assert found[name] == Encoding(scale=float(scale), zero_point=int(zero_point))
        assert type(found[name].zero_point) is int and 0 < found[name].zero_point < 255


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_file_is_the_encodings_one_tensor_a_line(
    written: dict[str, Encodings], scheme: str, tmp_path: Path
) -> None:
    path = save_encodings(tmp_path, written[scheme])
    text = path.read_text(encoding="utf-8")
    assert path == tmp_path / FILE_NAME
    assert json.loads(text) == written[scheme]
    for name in ("stem.weight", "hidden", "scores_8"):
        assert sum(f'"{name}":' in line for line in text.splitlines()) == 1
    assert max(len(line) for line in text.splitlines()) < 2000
    assert len(text.splitlines()) < 30
