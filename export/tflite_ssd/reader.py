"""A `.tflite` file as plain values: tensors with their constants in float32, and operators."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite
from flatbuffers import flexbuffers

from ...errors import ArtifactError

IDENTIFIER = b"TFL3"
FAULTS = (struct.error, IndexError, ValueError, TypeError, AttributeError, KeyError, OverflowError)
"""What the flatbuffers library, which trusts its input, raises on a damaged file."""

TYPES: dict[int, npt.DTypeLike] = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.UINT8: np.uint8,
    tflite.TensorType.INT8: np.int8,
    tflite.TensorType.INT32: np.int32,
}
LIMITS = {tflite.TensorType.UINT8: (0, 255), tflite.TensorType.INT8: (-128, 127)}
"""The first and the last code of an 8-bit activation."""
OPTIONS = {"CONV_2D": tflite.Conv2DOptions, "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions}
PADDINGS = {tflite.Padding.SAME: "SAME", tflite.Padding.VALID: "VALID"}
ACTIVATIONS = {
    tflite.ActivationFunctionType.NONE: "NONE",
    tflite.ActivationFunctionType.RELU: "RELU",
    tflite.ActivationFunctionType.RELU6: "RELU6",
}


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor: its real values where it is a constant, its encoding where it is quantized.

    values: float32, dequantized, in TensorFlow's own layout; None for an activation.
    scale, zero_point: of a tensor quantized as a whole, None otherwise; real = (code - zero_point)
        * scale. lowest, highest: the real values of its first and last code.
    """

    name: str
    shape: tuple[int, ...]
    values: npt.NDArray[np.float32] | None
    scale: float | None
    zero_point: int | None
    lowest: float | None
    highest: float | None


@dataclass(frozen=True, kw_only=True)
class Operator:
    """One operator: numbers of the tensors it reads and writes, and what its options say.

    stride: in y and x; options: of a custom operator, whose code is then its kind.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: str = ""
    activation: str = "NONE"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TfliteGraph:
    """The first subgraph of a file."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]


def read_tflite(path: Path) -> TfliteGraph:
    """Read a `.tflite` file; raises ArtifactError where it is missing, damaged or of another kind.

    The tables are those of TensorFlow's schema.fbs, read by the `tflite` package.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}") from error
    if data[4:8] != IDENTIFIER:
        raise ArtifactError(f"{path} is no TensorFlow Lite model")
    try:
        model = tflite.Model.GetRootAs(data, 0)
        graph = model.Subgraphs(0)
        return TfliteGraph(
            tensors=tuple(_tensor(model, graph.Tensors(i)) for i in range(graph.TensorsLength())),
            operators=tuple(
                _operator(model, graph.Operators(i)) for i in range(graph.OperatorsLength())
            ),
            inputs=tuple(int(i) for i in graph.InputsAsNumpy()),
        )
    except FAULTS as error:
        raise ArtifactError(f"{path} is damaged: {error!r}") from error


def _tensor(model: Any, table: Any) -> Tensor:
    shape = tuple(int(n) for n in table.ShapeAsNumpy()) if table.ShapeLength() else ()
    dtype = np.dtype(TYPES[table.Type()]) if table.Type() in TYPES else None
    quantization = table.Quantization()
    count = quantization.ScaleLength() if quantization is not None else 0
    scale = zero_point = lowest = highest = None
    if table.Type() in LIMITS and count == 1:
        scale, zero_point = float(quantization.Scale(0)), int(quantization.ZeroPoint(0))
        lowest, highest = ((code - zero_point) * scale for code in LIMITS[table.Type()])
    content = model.Buffers(table.Buffer())
    values = None
    if content.DataLength() and dtype is not None:
        codes = np.frombuffer(content.DataAsNumpy().tobytes(), dtype).reshape(shape)
        values = _dequantized(codes, quantization) if count else codes.astype(np.float32)
    return Tensor(
        name=table.Name().decode(),
        shape=shape,
        values=values,
        scale=scale,
        zero_point=zero_point,
        lowest=lowest,
        highest=highest,
    )


def _dequantized(codes: npt.NDArray[Any], quantization: Any) -> npt.NDArray[np.float32]:
    """Return the real values of codes that are quantized as a whole or along one axis."""
    scales = quantization.ScaleAsNumpy().astype(np.float64)
    zero_points = np.broadcast_to(quantization.ZeroPointAsNumpy(), scales.shape)
    if len(scales) > 1:
        along = [1] * codes.ndim
        along[quantization.QuantizedDimension()] = len(scales)
        scales, zero_points = scales.reshape(along), zero_points.reshape(along)
    return np.asarray((codes.astype(np.int64) - zero_points) * scales, np.float32)


def _operator(model: Any, table: Any) -> Operator:
    code = model.OperatorCodes(table.OpcodeIndex())
    # Files of before 2020 carry the number of a builtin in the deprecated, narrower field only.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    kind = str(tflite.opcode2name(number))
    inputs = tuple(int(i) for i in table.InputsAsNumpy())
    outputs = tuple(int(i) for i in table.OutputsAsNumpy())
    if kind == "CUSTOM":
        said = flexbuffers.Loads(table.CustomOptionsAsNumpy().tobytes())
        name = code.CustomCode().decode()
        return Operator(kind=name, inputs=inputs, outputs=outputs, options=said)
    if kind not in OPTIONS:
        return Operator(kind=kind, inputs=inputs, outputs=outputs)
    options = OPTIONS[kind]()
    place = table.BuiltinOptions()
    options.Init(place.Bytes, place.Pos)
    return Operator(
        kind=kind,
        inputs=inputs,
        outputs=outputs,
        stride=(options.StrideH(), options.StrideW()),
        dilation=(options.DilationHFactor(), options.DilationWFactor()),
        padding=PADDINGS.get(options.Padding(), "?"),
        activation=ACTIVATIONS.get(options.FusedActivationFunction(), "?"),
    )
