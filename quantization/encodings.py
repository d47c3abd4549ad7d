"""Writing down every encoding of an integer graph, in the QAIRT / AIMET override format 0.6.1."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from ..errors import ArtifactError
from ..recipe import QuantizationSection
from ..runtime.encodings import Encoding
from ..runtime.files import write_text
from ..runtime.json_object import read_object

FILE_NAME = "encodings.json"
FORMAT_VERSION = "0.6.1"
SECTIONS = ("activation_encodings", "param_encodings")
SUFFIXES = ("_QuantizeLinear_Input", "_QuantizeLinear_Output", "_QuantizeLinear", "_quantized")
"""What onnxruntime's quantizer appends to the float graph's tensor names."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Codes:
    """One tensor of codes in a QDQ graph: its name there, and its encoding.

    scale: float32, a number or [channels]; zero_point: of the codes' own dtype, the same shape.
    """

    codes: str
    scale: Array
    zero_point: Array


def code_tensors(model: onnx.ModelProto) -> dict[str, Codes]:
    """Return every tensor of codes of a QDQ graph with integer ends, by the float graph's name."""
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    outputs = {output.name for output in model.graph.output}
    inputs = {value.name for value in model.graph.input}
    transposes = [node for node in model.graph.node if node.op_type == "Transpose"]
    ends = {node.input[0]: node.output[0] for node in transposes if node.output[0] in outputs}
    # Between two layers transposed codes are no tensor of their own: see `transpose_codes`.
    sources = {node.output[0]: node.input[0] for node in transposes if node.input[0] not in inputs}
    found = {}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            codes = node.output[0] if node.op_type == "QuantizeLinear" else node.input[0]
            codes = sources.get(codes, codes)
            found[ends.get(codes, plain_name(codes))] = Codes(
                codes=codes, scale=constants[node.input[1]], zero_point=constants[node.input[2]]
            )
    return found


def encodings_of(model: onnx.ModelProto, section: QuantizationSection) -> dict[str, Any]:
    """Return the encodings of a QDQ graph with integer ends, by the float graph's tensor names.

    An entry's offset is Qualcomm's: minus the zero point of the unsigned code. A symmetric int8
    tensor therefore has offset -128, whatever its own zero point (0) says.
    """
    constants = {i.name for i in model.graph.initializer}
    activations: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for name, tensor in sorted(code_tensors(model).items()):
        section_of = parameters if tensor.codes in constants else activations
        section_of[name] = _entries(np.atleast_1d(tensor.scale), np.atleast_1d(tensor.zero_point))
    return {
        "version": FORMAT_VERSION,
        "activation_encodings": activations,
        "param_encodings": parameters,
        "quantizer_args": {
            "activation_bitwidth": section.activation_bits,
            "param_bitwidth": 8,
            "dtype": "int",
            "is_symmetric": str(section.weights == "per_channel"),
            "per_channel_quantization": str(section.weights == "per_channel"),
            "quant_scheme": section.ranges,
        },
        "excluded_layers": [],
    }


def output_encodings_of(encodings: dict[str, Any], names: Iterable[str]) -> dict[str, Encoding]:
    """Return what `detector.json` needs of them: scale and zero point of every output."""
    entries = {name: encodings["activation_encodings"][name][0] for name in names}
    return {
        name: Encoding(scale=entry["scale"], zero_point=-entry["offset"])
        for name, entry in entries.items()
    }


def load_encodings(folder: Path) -> dict[str, Any]:
    """Read `encodings.json` of a bundle; ArtifactError where it lacks a section or is damaged."""
    path = folder / FILE_NAME
    encodings = read_object(path, SECTIONS, "quantize again")
    for section in SECTIONS:
        if not isinstance(encodings[section], dict):
            raise ArtifactError(f"{path} has no object {section}; quantize again")
    return encodings


def save_encodings(folder: Path, encodings: dict[str, Any]) -> Path:
    """Write `encodings.json`, one tensor a line: per-channel weights have thousands of entries."""
    lines = []
    for key, value in encodings.items():
        if key.endswith("_encodings"):
            rows = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items())
            lines.append(f" {json.dumps(key)}: {{\n{rows}\n }}")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return write_text(folder / FILE_NAME, "{\n" + ",\n".join(lines) + "\n}\n")


def _entries(scales: Array, zero_points: Array) -> list[dict[str, Any]]:
    """Return one entry a channel, or a single one."""
    kind = np.iinfo(zero_points.dtype)
    entries = []
    for scale, zero_point in zip(scales.astype(np.float64), zero_points, strict=True):
        low = (kind.min - int(zero_point)) * float(scale)
        high = (kind.max - int(zero_point)) * float(scale)
        entries.append(
            {
                "bitwidth": kind.bits,
                "dtype": "int",
                "is_symmetric": str(kind.min < 0),
                "min": low,
                "max": high,
                "offset": kind.min - int(zero_point),
                "scale": float(scale),
            }
        )
    return entries


def plain_name(name: str) -> str:
    """Return the float graph's name of a tensor or node that the quantizer renamed."""
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name
