"""Parameters and multiply-accumulates of small graphs, with the numbers worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hexdet.errors import ArtifactError
from hexdet.evaluation.graph_cost import GraphCost, graph_cost, wide_macs

OPSET = 17


def weight(name: str, *shape: int) -> onnx.TensorProto:
    return numpy_helper.from_array(np.zeros(shape, np.float32), name)


def graph(
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
    image: tuple[int | str, ...] = (1, 3, 8, 6),
) -> onnx.ModelProto:
    """Return a graph from `image` to `y`, whose shapes are left to inference."""
    return helper.make_model(
        helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            weights,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
    )


def conv(*inputs: str, out: str = "y", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Conv", inputs, [out], **attributes)


def test_a_graph_without_convolutions_costs_nothing() -> None:
    model = graph([helper.make_node("Relu", ["image"], ["y"])], [])
    assert graph_cost(model) == GraphCost(parameters=0, macs=0, convolutions=0)


@pytest.mark.parametrize(
    ("node", "weights", "parameters", "macs"),
    [
        # 5 outputs of 3 inputs at 8 x 6 places.
        (conv("image", "w"), [weight("w", 5, 3, 1, 1)], 15, 8 * 6 * 15),
        # 3 x 3 without padding: 6 x 4 places.
        (conv("image", "w"), [weight("w", 5, 3, 3, 3)], 135, 6 * 4 * 135),
        # With padding every place is one.
        (conv("image", "w", pads=[1, 1, 1, 1]), [weight("w", 5, 3, 3, 3)], 135, 8 * 6 * 135),
        # Biases are parameters and no multiply-accumulates.
        (conv("image", "w", "b"), [weight("w", 5, 3, 1, 1), weight("b", 5)], 20, 8 * 6 * 15),
        # An absent bias may be written as an empty name.
        (conv("image", "w", ""), [weight("w", 5, 3, 1, 1)], 15, 8 * 6 * 15),
        # Stride 2: 4 x 3 places.
        (
            conv("image", "w", pads=[1, 1, 1, 1], strides=[2, 2]),
            [weight("w", 5, 3, 3, 3)],
            135,
            4 * 3 * 135,
        ),
        # One filter a channel: each output sees one input.
        (conv("image", "w", group=3), [weight("w", 3, 1, 3, 3)], 27, 6 * 4 * 27),
        # Dilation 2: 3 x 3 spans 5 x 5, so 4 x 2 places.
        (conv("image", "w", dilations=[2, 2]), [weight("w", 5, 3, 3, 3)], 135, 4 * 2 * 135),
        # Not square: 1 x 3 at 8 x 4 places.
        (conv("image", "w"), [weight("w", 2, 3, 1, 3)], 18, 8 * 4 * 18),
    ],
    ids=[
        "1 x 1",
        "3 x 3",
        "padded",
        "bias",
        "empty bias",
        "stride",
        "depthwise",
        "dilated",
        "1 x 3",
    ],
)
def test_one_convolution(
    node: onnx.NodeProto, weights: list[onnx.TensorProto], parameters: int, macs: int
) -> None:
    expected = GraphCost(parameters=parameters, macs=macs, convolutions=1)
    assert graph_cost(graph([node], weights)) == expected


def test_two_groups_see_half_of_the_inputs_each() -> None:
    node = conv("image", "w", group=2)
    cost = graph_cost(graph([node], [weight("w", 6, 2, 3, 3)], image=(1, 4, 8, 6)))
    assert cost == GraphCost(parameters=6 * 2 * 9, macs=6 * 4 * 6 * 2 * 9, convolutions=1)


def test_a_chain_is_the_sum_of_its_convolutions() -> None:
    model = graph(
        [
            conv("image", "w1", "b1", out="a", strides=[2, 2], pads=[1, 1, 1, 1]),  # [1, 4, 4, 3]
            helper.make_node("Relu", ["a"], ["c"]),
            conv("c", "w2", out="d", group=4, pads=[1, 1, 1, 1]),  # [1, 4, 4, 3]
            helper.make_node("Add", ["c", "d"], ["e"]),
            conv("e", "w3", "b3"),  # [1, 7, 4, 3]
        ],
        [
            weight("w1", 4, 3, 3, 3),
            weight("b1", 4),
            weight("w2", 4, 1, 3, 3),
            weight("w3", 7, 4, 1, 1),
            weight("b3", 7),
            weight("unused", 1000),
        ],
    )
    parameters = (108 + 4) + 36 + (28 + 7)
    macs = 4 * 3 * (108 + 36 + 28)
    assert graph_cost(model) == GraphCost(parameters=parameters, macs=macs, convolutions=3)


WIDE = [
    (set(), 0.0),
    ({"nobody"}, 0.0),
    ({"image"}, 36 / 64),
    ({"a"}, 28 / 64),
    ({"image", "a", "y"}, 1.0),
]


@pytest.mark.parametrize(("wide", "share"), WIDE)
def test_the_share_of_macs_is_of_what_reads_a_wide_tensor(wide: set[str], share: float) -> None:
    nodes = [conv("image", "w1", out="a"), conv("a", "w2")]
    model = graph(nodes, [weight("w1", 4, 9, 1, 1), weight("w2", 7, 4, 1, 1)], (1, 9, 8, 6))
    assert wide_macs(model, wide) == share


def test_a_graph_without_convolutions_has_no_share() -> None:
    assert wide_macs(graph([helper.make_node("Relu", ["image"], ["y"])], []), {"image"}) == 0


@pytest.mark.parametrize("images", [1, 2])
def test_macs_grow_with_the_images_of_a_batch(images: int) -> None:
    cost = graph_cost(graph([conv("image", "w")], [weight("w", 5, 3, 1, 1)], (images, 3, 8, 6)))
    assert cost.macs == images * 8 * 6 * 15
    assert cost.parameters == math.prod((5, 3))


@pytest.mark.parametrize("image", [("n", 3, 8, 6), (1, 3, "h", "w")], ids=["batch", "size"])
def test_a_shape_that_is_not_fixed_is_refused(image: tuple[int | str, ...]) -> None:
    with pytest.raises(ArtifactError, match="the shape of y is not fixed"):
        graph_cost(graph([conv("image", "w")], [weight("w", 5, 3, 1, 1)], image))


def test_weights_that_are_computed_are_refused() -> None:
    made = helper.make_node("Identity", ["w"], ["w2"])
    with pytest.raises(ArtifactError, match="the weights of y are not fixed"):
        graph_cost(graph([made, conv("image", "w2")], [weight("w", 5, 3, 1, 1)]))


def test_counting_leaves_the_graph_alone() -> None:
    model = graph([conv("image", "w")], [weight("w", 5, 3, 1, 1)])
    before = model.SerializeToString()
    graph_cost(model)
    assert model.SerializeToString() == before
