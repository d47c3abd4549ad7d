"""The drawings of a diagnosis show each layer at its place, and what one scale would leave."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from hexdet.evaluation.plots import HEIGHT, WIDTH, render
from hexdet.quantization.diagnosis import LayerError
from hexdet.quantization.layer_plots import channel_codes, sqnr_plot, weight_plot


def _layer(through: float, alone: float) -> LayerError:
    return LayerError(
        tensor="t", node="n", operator="Conv", bits=8, is_output=False, sqnr_db=through,
        sqnr_alone_db=alone, weight_share=0.5, activation_share=0.5, saturated=0.0,
    )  # fmt: skip


def _network(*weights: np.ndarray) -> onnx.ModelProto:
    """Return a graph with one convolution a weight, each by itself."""
    nodes, constants = [], []
    for index, value in enumerate(weights):
        constants.append(numpy_helper.from_array(value.astype(np.float32), f"w{index}"))
        nodes.append(helper.make_node("Conv", ["x", f"w{index}"], [f"y{index}"]))
    return helper.make_model(helper.make_graph(nodes, "g", [], [], constants))


def _points(text: str) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in (pair.split(",") for pair in text.split())]


def test_channels_get_their_share_of_the_codes() -> None:
    weights = np.array([[2.0, -1.0], [-0.5, 0.25], [1e-6, 0.0]]).reshape(3, 2, 1, 1)
    (codes,) = channel_codes(_network(weights))
    np.testing.assert_allclose(codes, [127, 127 / 4, 1])


@pytest.mark.parametrize(
    "weights",
    [
        np.ones((1, 2, 1, 1)),
        np.array([[3.0], [0.0]]).reshape(2, 1, 1, 1),
    ],
    ids=["one channel", "one channel that is not dead"],
)
def test_a_layer_whose_channels_cannot_differ_is_left_out(weights: np.ndarray) -> None:
    assert channel_codes(_network(weights)) == []


def test_layers_stand_in_the_graph_s_order() -> None:
    plot = sqnr_plot([_layer(0, 60), _layer(30, 60), _layer(90, 60)], "heads")
    through, alone = plot.lines
    assert _points(through.points) == [(0, HEIGHT), (WIDTH / 2, HEIGHT / 2), (WIDTH, 0)]
    assert {y for _, y in _points(alone.points)} == {0}
    assert through.figure == "median 30.0 dB"


def test_the_narrowest_channel_lies_lowest() -> None:
    plot = weight_plot([np.array([127.0, 64.0, 1.0]), np.array([127.0, 127.0])], "heads")
    median, narrowest = (_points(line.points) for line in plot.lines)
    assert narrowest[0][1] == HEIGHT
    assert median[0][1] < narrowest[0][1]
    assert median[1][1] == narrowest[1][1] == 0


@pytest.mark.parametrize("layers", [[_layer(20, 40)], [_layer(20, 40)] * 25])
def test_the_drawing_is_svg_and_its_texts_are_escaped(layers: list[LayerError]) -> None:
    text = render(sqnr_plot(layers, "<heads> & more"))
    ET.fromstring(text)
    assert "&lt;heads&gt; &amp; more" in text
    assert not re.search(r"nan|inf", text.replace("info", ""))
