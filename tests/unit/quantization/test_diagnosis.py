"""The diagnosis of a small graph: what counts as a layer's own error."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import numpy_helper

from hexdet.quantization.diagnosis import LayerError, diagnose
from hexdet.quantization.layers import cpu_layers
from hexdet.runtime.contract import InputSpec

Pixels = npt.NDArray[np.uint8]
Diagnose = Callable[..., list[LayerError]]


def shift_biases(integer: onnx.ModelProto) -> onnx.ModelProto:
    """Return the integer graph with every bias moved, as a correction moves it, only further."""
    moved = onnx.ModelProto()
    moved.CopyFrom(integer)
    count = 0
    codes_of = {n.input[0] for n in integer.graph.node if n.op_type == "DequantizeLinear"}
    for value in moved.graph.initializer:
        codes = numpy_helper.to_array(value)
        if codes.dtype == np.int32 and value.name in codes_of:
            value.CopyFrom(numpy_helper.from_array(codes + np.int32(1000), value.name))
            count += 1
    assert count > 1
    return moved


@pytest.fixture(scope="module")
def measure(float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec) -> Diagnose:
    def measure(integer: onnx.ModelProto, *, corrected: bool = False) -> list[LayerError]:
        return diagnose(
            integer, float_graph, list(pixels), spec, cpu_layers(integer), corrected=corrected
        )

    return measure


def test_a_moved_bias_is_blamed_on_the_weights(
    quantized: dict[str, onnx.ModelProto], measure: Diagnose
) -> None:
    plain = measure(quantized["per_channel"])
    moved = measure(shift_biases(quantized["per_channel"]))
    worse = [b for a, b in zip(plain, moved, strict=True) if b.sqnr_alone_db < a.sqnr_alone_db - 6]
    assert worse and all(layer.weight_share > 0.9 for layer in worse)


def test_a_correction_of_the_bias_is_no_error_of_its_layer(
    quantized: dict[str, onnx.ModelProto], measure: Diagnose
) -> None:
    """It made the layers that correction had moved most look like those with the worst weights."""
    plain = measure(quantized["per_channel"])
    moved = measure(shift_biases(quantized["per_channel"]), corrected=True)
    for before, after in zip(plain, moved, strict=True):
        assert after.sqnr_alone_db > before.sqnr_alone_db - 6, after.node
    # Through the network it still counts.
    assert min(v.sqnr_db for v in moved) < min(v.sqnr_db for v in plain) - 6


def test_where_no_bias_was_moved_it_makes_no_difference_that_counts(
    quantized: dict[str, onnx.ModelProto], measure: Diagnose
) -> None:
    plain = measure(quantized["per_channel"])
    corrected = measure(quantized["per_channel"], corrected=True)
    for a, b in zip(plain, corrected, strict=True):
        assert b.sqnr_alone_db == pytest.approx(a.sqnr_alone_db, abs=0.1)
        assert b.sqnr_db == a.sqnr_db
