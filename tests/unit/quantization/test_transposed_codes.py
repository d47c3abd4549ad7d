"""A Transpose between two layers moves codes: it has no encoding, and cancels on the HTP."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from hexdet.quantization.encodings import code_tensors
from hexdet.quantization.graph_edits import drop_unused, transpose_codes

SHAPE, MOVED = [1, 3, 2, 4], [1, 2, 4, 3]


def graph(scales: tuple[str, str], *, readers: int = 1) -> onnx.ModelProto:
    """Return codes -> DequantizeLinear -> Transpose -> QuantizeLinear (as many as said) -> sum."""
    first, second = scales
    nodes = [
        helper.make_node("QuantizeLinear", ["x", first, "zero"], ["x_QuantizeLinear_Output"]),
        helper.make_node("DequantizeLinear", ["x_QuantizeLinear_Output", first, "zero"], ["d"]),
        helper.make_node("Transpose", ["d"], ["t"], perm=[0, 2, 3, 1]),
        helper.make_node("QuantizeLinear", ["t", second, "zero"], ["t_QuantizeLinear_Output"]),
        helper.make_node("DequantizeLinear", ["t_QuantizeLinear_Output", second, "zero"], ["y"]),
    ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, MOVED)]
    if readers > 1:
        nodes.append(helper.make_node("Neg", ["t"], ["also"]))
        outputs.append(helper.make_tensor_value_info("also", TensorProto.FLOAT, MOVED))
    constants = {"a": np.float32(0.1), "b": np.float32(0.2), "zero": np.uint8(7)}
    return helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, SHAPE)],
            outputs,
            [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=10,
    )


def run(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(0).normal(5, 4, SHAPE).astype(np.float32)
    return np.asarray(session.run(["y"], {"x": x})[0])


def test_the_codes_are_transposed_and_nothing_else_changes() -> None:
    model = graph(("a", "a"))
    before = run(model)
    transpose_codes(model)
    drop_unused(model)
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds == ["QuantizeLinear", "Transpose", "DequantizeLinear"]
    assert np.array_equal(run(model), before)


def test_transposed_codes_are_no_tensor_of_their_own() -> None:
    model = graph(("a", "a"))
    assert set(code_tensors(model)) == {"x", "t"}
    transpose_codes(model)
    assert set(code_tensors(model)) == {"x"}


@pytest.mark.parametrize(
    "given",
    [graph(("a", "b")), graph(("a", "a"), readers=2)],
    ids=["another scale", "a second reader in float"],
)
def test_a_transpose_of_what_is_no_code_stays(given: onnx.ModelProto) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(given)
    transpose_codes(model)
    assert model == given
