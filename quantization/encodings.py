"""Writing down every encoding of an integer graph, in the QAIRT / AIMET override format 0.6.1."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from ..recipe import QuantizationSection
from ..runtime.encodings import Encoding
from ..runtime.files import write_text

FILE_NAME = "encodings.json"
FORMAT_VERSION = "0.6.1"
SUFFIXES = ("_QuantizeLinear_Input", "_QuantizeLinear_Output", "_quantized")
"""What onnxruntime's quantizer appends to the float graph's tensor names."""

Array = npt.NDArray[Any]


def encodings_of(model: onnx.ModelProto, section: QuantizationSection) -> dict[str, Any]:
    """Return the encodings of a QDQ graph with integer ends, by the float graph's tensor names.

    An entry's offset is Qualcomm's: minus the zero point of the unsigned code. A symmetric int8
    tensor therefore has offset -128, whatever its own zero point (0) says.
    """
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    ends = {
        node.input[0]: node.output[0]
        for node in model.graph.node
        if node.op_type == "Transpose" and node.output[0] in {o.name for o in model.graph.output}
    }
    activations: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        codes = node.output[0] if node.op_type == "QuantizeLinear" else node.input[0]
        scale, zero_point = constants[node.input[1]], constants[node.input[2]]
        entries = _entries(np.atleast_1d(scale), np.atleast_1d(zero_point))
        if codes in constants:
            parameters[_plain(codes)] = entries
        else:
            activations[ends.get(codes, _plain(codes))] = entries
    return {
        "version": FORMAT_VERSION,
        "activation_encodings": dict(sorted(activations.items())),
        "param_encodings": dict(sorted(parameters.items())),
        "quantizer_args": {
            "activation_bitwidth": 8,
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


def _plain(name: str) -> str:
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name
