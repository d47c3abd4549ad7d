"""From the float graph to the integer one: onnxruntime's quantizer with Qualcomm's settings."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize
from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config

from ..recipe import QuantizationSection
from ..runtime.contract import InputSpec
from ..runtime.images import normalise
from .graph_edits import IMAGE, cut_output_transposes, drop_unused, make_integer_ends

Progress = Callable[[int, int], None]


def quantize_graph(
    float_model: onnx.ModelProto,
    pixels: npt.NDArray[np.uint8],
    spec: InputSpec,
    section: QuantizationSection,
    progress: Progress = lambda done, total: None,
) -> onnx.ModelProto:
    """Return the QDQ graph with uint8 NHWC input and outputs.

    pixels: the calibration images, uint8 [n, h, w, 3]. Activations become uint8, asymmetric,
    per tensor; weights int8, symmetric, per output channel, or uint8 per tensor; biases int32.
    """
    model = onnx.ModelProto()
    model.CopyFrom(float_model)
    renamed = cut_output_transposes(model)
    per_channel = section.weights == "per_channel"
    with tempfile.TemporaryDirectory(prefix="hexdet-") as folder:
        source, result = Path(folder, "float.onnx"), Path(folder, "qdq.onnx")
        onnx.save(model, source)
        config = get_qnn_qdq_config(
            str(source),
            _Reader(pixels, spec, progress),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8 if per_channel else QuantType.QUInt8,
            per_channel=per_channel,
            init_overrides={IMAGE: [_input_encoding(spec)]},
        )
        quantize(str(source), str(result), config)
        quantized = onnx.load(result)
    make_integer_ends(quantized, renamed)
    drop_unused(quantized)
    del quantized.metadata_props[:]
    onnx.checker.check_model(quantized, full_check=True)
    return quantized


def _input_encoding(spec: InputSpec) -> dict[str, npt.NDArray[np.generic]]:
    """Return the encoding under which a raw pixel is its own code: nothing is lost at the input.

    real = (pixel - mean) / std = (code - zero_point) * scale, exact for a whole mean.
    """
    return {
        "scale": np.array(1 / spec.std, np.float32),
        "zero_point": np.array(round(spec.mean), np.uint8),
    }


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """The calibration images, one at a time, as the float graph reads them."""

    def __init__(self, pixels: npt.NDArray[np.uint8], spec: InputSpec, progress: Progress) -> None:
        self._pixels, self._spec, self._progress = pixels, spec, progress
        self._next = 0

    def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
        """Return the next image as the graph's input, None after the last."""
        if self._next == len(self._pixels):
            return None
        image = normalise(self._pixels[self._next : self._next + 1], self._spec)
        self._next += 1
        self._progress(self._next, len(self._pixels))
        return {IMAGE: image}
