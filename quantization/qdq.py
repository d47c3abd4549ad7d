"""From known ranges to a QDQ graph: onnxruntime's quantizer with Qualcomm's settings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import version_converter
from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static
from onnxruntime.quantization.calibrate import TensorsData, save_tensors_data
from onnxruntime.quantization.execution_providers.qnn import get_qnn_qdq_config

from ..runtime.scratch import scratch_folder
from .ranges.estimators import Range
from .widths import Overrides

OPSET_OF_16_BITS = 21
"""The first in which QuantizeLinear knows uint16."""


def to_qdq(
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    overrides: Overrides,
    *,
    per_channel: bool,
    wide: bool,
) -> onnx.ModelProto:
    """Return the graph with QuantizeLinear and DequantizeLinear around every activation.

    ranges: of every activation and of the image. overrides: what is to be otherwise for single
    tensors than uint8 by its range, int8 symmetric per output channel for weights (uint8 per
    tensor where not `per_channel`). wide: whether there are 16 bits among them; the graph then
    gets the opset that knows them.
    """
    if wide and model.opset_import[0].version < OPSET_OF_16_BITS:
        model = version_converter.convert_version(model, OPSET_OF_16_BITS)
    else:
        model, given = onnx.ModelProto(), model
        model.CopyFrom(given)
    # What onnxruntime leaves on a graph that went through its own simplification: ours is simple.
    model.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with scratch_folder() as folder:
        source, result = folder / "float.onnx", folder / "qdq.onnx"
        onnx.save(model, source)
        config = get_qnn_qdq_config(
            str(source),
            None,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8 if per_channel else QuantType.QUInt8,
            per_channel=per_channel,
            init_overrides=overrides,
            add_qtype_converts=False,  # `overrides` holds them: the outputs must end in 8 bits
        )
        known = folder / "ranges.json"
        save_tensors_data(_tensors_data(ranges), known)
        quantize_static(
            str(source),
            str(result),
            None,
            quant_format=config.quant_format,
            op_types_to_quantize=[t for t in config.op_types_to_quantize if t != "Constant"],
            per_channel=config.per_channel,
            activation_type=config.activation_type,
            weight_type=config.weight_type,
            calibrate_method=config.calibrate_method,
            extra_options=config.extra_options,
            calibration_cache_path=str(known),
        )
        quantized = onnx.load(result)
    del quantized.metadata_props[:]
    return quantized


def _tensors_data(ranges: Mapping[str, Range]) -> TensorsData:
    """Return the ranges in the form in which onnxruntime keeps its own."""
    pairs = {
        n: (np.array(r.low, np.float32), np.array(r.high, np.float32)) for n, r in ranges.items()
    }
    return TensorsData(CalibrationMethod.MinMax, pairs)
