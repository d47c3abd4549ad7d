"""The lint's rules on small graphs: each fires where it should and stays silent elsewhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hexdet.errors import ParityError
from hexdet.export import lint
from hexdet.runtime.contract import InputSpec


def graph(
    tail: list[onnx.NodeProto],
    *,
    output: str,
    weight: np.ndarray | None = None,
    side: int | str = 8,
) -> onnx.ModelProto:
    """Return image -> Conv (32 channels unless `weight` says so) -> `tail` -> output."""
    values = np.ones((32, 3, 1, 1), np.float32) if weight is None else weight
    nodes = [helper.make_node("Conv", ["image", "w"], ["c"], name="conv"), *tail]
    return helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, side, 8])],
            [helper.make_empty_tensor_value_info(output)],
            [numpy_helper.from_array(values, "w")],
        )
    )


def test_raw_heads_pass() -> None:
    tail = [helper.make_node("Transpose", ["c"], ["o"], perm=[0, 2, 3, 1])]
    assert lint._operators(graph(tail, output="o")) == []


@pytest.mark.parametrize("operator", ["Softmax", "Sigmoid", "Exp"])
def test_decoding_inside_is_refused_with_its_node(operator: str) -> None:
    tail = [helper.make_node(operator, ["c"], ["o"], name="decode")]
    remarks = lint._operators(graph(tail, output="o"))
    assert [(r.level, r.rule, r.subject) for r in remarks] == [
        ("refused", "decoding inside", f"decode ({operator})")
    ]
    with pytest.raises(ParityError, match="decode"):
        lint.check_lint(remarks)


def test_a_concat_behind_the_heads_is_refused_but_not_one_inside_the_network() -> None:
    behind = [helper.make_node("Concat", ["c", "c"], ["o"], name="join", axis=1)]
    assert [r.rule for r in lint._operators(graph(behind, output="o"))] == ["joined heads"]
    inside = [
        helper.make_node("Concat", ["c"], ["j"], name="join", axis=1),
        helper.make_node("Conv", ["j", "w"], ["o"], name="after"),
    ]
    assert lint._operators(graph(inside, output="o")) == []


def test_an_open_dimension_is_refused() -> None:
    remarks = lint._shapes(graph([], output="c", side="rows"))
    assert ("refused", "image") in [(r.level, r.subject) for r in remarks]


def test_a_dead_channel_is_counted() -> None:
    weight = np.ones((4, 3, 1, 1), np.float32)
    assert lint._dead_channels(graph([], output="c", weight=weight)) == []
    weight[2] = 0
    remarks = lint._dead_channels(graph([], output="c", weight=weight))
    assert [r.subject for r in remarks] == ["conv: 1 of 4"]


@pytest.mark.parametrize(("mean", "count"), [(127.0, 0), (0.0, 0), (127.5, 1), (123.68, 1)])
def test_a_mean_between_two_codes_is_warned_of(mean: float, count: int) -> None:
    assert len(lint._input(InputSpec(width=8, height=8, mean=mean))) == count


def test_the_shipped_bundle_is_pure(heads: Path) -> None:
    assert lint.operator_histogram(heads / "int8.dlc") == {
        "Conv2d": 45,
        "DepthWiseConv2d": 26,
        "Eltwise_Binary": 10,
    }
