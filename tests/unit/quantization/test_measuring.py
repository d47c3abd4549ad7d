"""Measuring activations: exact extremes, histograms on a lattice, any order, odd values."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from hexdet.errors import DataError
from hexdet.quantization.layers import graph_layers
from hexdet.quantization.ranges.calibration import find_ranges
from hexdet.quantization.ranges.measuring import LATTICE, measure_extremes, measure_histograms
from hexdet.recipe import QuantizationSection
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import normalise

NAMES = ["hidden", "raw_scores", "raw_boxes"]
Pixels = npt.NDArray[np.uint8]


def test_no_image_is_refused(float_graph: onnx.ModelProto, spec: InputSpec) -> None:
    for measure in (measure_extremes, measure_histograms):
        with pytest.raises(DataError, match="no calibration image"):
            measure(float_graph, NAMES, [], spec)


@pytest.fixture(scope="module")
def layers(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec
) -> dict[str, npt.NDArray[np.float32]]:
    """Every value of every tensor on all images."""
    run = graph_layers(float_graph)
    found = [run(normalise(p, spec)) for p in pixels]
    return {name: np.concatenate([f[name] for f in found]) for name in NAMES}


def test_extremes_are_those_of_all_values(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec, layers: dict[str, Any]
) -> None:
    found = measure_extremes(float_graph, NAMES, list(pixels), spec)
    assert list(found) == NAMES
    for name in NAMES:
        # Another session fuses other nodes: the last bits may differ.
        assert found[name].low == pytest.approx(layers[name].min(), rel=1e-5, abs=1e-6)
        assert found[name].high == pytest.approx(layers[name].max(), rel=1e-5)


def test_histograms_hold_every_value_of_small_maps(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec, layers: dict[str, Any]
) -> None:
    extremes = measure_extremes(float_graph, NAMES, list(pixels), spec)
    for name, found in measure_histograms(float_graph, NAMES, list(pixels), spec).items():
        assert found.counts.sum() == layers[name].size
        assert found.edges[0] == min(extremes[name].low, 0)
        assert found.edges[-1] == max(extremes[name].high, 0)
        expected = np.searchsorted(np.sort(layers[name].ravel()), found.edges[1:-1])
        assert np.abs(np.cumsum(found.counts)[:-1] - expected).max() <= 3  # of rounding


@settings(deadline=None, max_examples=10, database=None)
@given(order=st.permutations(range(6)))
def test_the_order_of_the_images_does_not_matter(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec, order: list[int]
) -> None:
    # Of very different contrast, so that the bins must grow.
    images = [(127 + (p.astype(int) - 127) // 2**i).astype(np.uint8) for i, p in enumerate(pixels)]
    first = measure_histograms(float_graph, NAMES, images, spec)
    again = measure_histograms(float_graph, NAMES, [images[i] for i in order], spec)
    for name in NAMES:
        np.testing.assert_array_equal(first[name].edges, again[name].edges)
        np.testing.assert_array_equal(first[name].counts, again[name].counts)


def scaled(side: int, factor: float, addend: float = 0.0) -> onnx.ModelProto:
    """image * factor + addend, as `y`."""
    constants = [
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in (("factor", factor), ("addend", addend))
    ]
    shape = [1, 3, side, side]
    graph = helper.make_graph(
        [
            helper.make_node("Mul", ["image", "factor"], ["product"], name="mul"),
            helper.make_node("Add", ["product", "addend"], ["y"], name="add"),
        ],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize(
    ("side", "counted"),
    [(1, 1), (LATTICE, LATTICE), (LATTICE + 1, LATTICE // 2), (4 * LATTICE, LATTICE)],
)
def test_large_maps_are_counted_on_a_lattice_and_their_extremes_everywhere(
    side: int, counted: int
) -> None:
    spec = InputSpec(width=side, height=side, mean=0, std=1)
    image = np.full((1, side, side, 3), 100, np.uint8)
    image[0, 0, 0] = (1, 2, 255)
    (found,) = measure_histograms(scaled(side, 1), ["y"], [image], spec).values()
    assert found.counts.sum() == 3 * counted**2
    assert found.edges[-1] == 255


def test_a_dead_activation_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    spec = InputSpec(width=4, height=4)
    image = np.full((1, 4, 4, 3), 90, np.uint8)
    for ranges in ("minmax", "mse"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            section = QuantizationSection(ranges=ranges)
            found = find_ranges(scaled(4, 0), {"y": 8}, [image], spec, section)
        assert (found["y"].low, found["y"].high) == (0, 0)
        assert "the activation y is 0 everywhere on 1 images" in caplog.text


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "entropy", "mse"])
def test_a_constant_activation_is_refused(ranges: Any) -> None:
    spec = InputSpec(width=4, height=4)
    image = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 3)).astype(np.uint8)
    section = QuantizationSection(ranges=ranges)
    with pytest.raises(
        DataError, match=r"the activation y is 2\.5 everywhere on all 2 calibration"
    ):
        find_ranges(scaled(4, 0, 2.5), {"y": 8}, [image, image], spec, section)


@pytest.mark.parametrize("factor", [np.inf, np.nan, -np.inf])
@pytest.mark.parametrize("ranges", ["minmax", "mse"])
def test_values_that_are_not_finite_are_refused(ranges: Any, factor: float) -> None:
    spec = InputSpec(width=4, height=4)
    image = np.full((1, 4, 4, 3), 90, np.uint8)
    with pytest.raises(DataError, match=r"the activation y .* not finite"):
        find_ranges(scaled(4, factor), {"y": 8}, [image], spec, QuantizationSection(ranges=ranges))


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "entropy", "mse"])
def test_every_estimator_stays_inside_the_extremes(
    float_graph: onnx.ModelProto, pixels: Pixels, spec: InputSpec, ranges: Any
) -> None:
    section = QuantizationSection(ranges=ranges)
    bits = dict.fromkeys(NAMES, 8)
    extremes = measure_extremes(float_graph, NAMES, list(pixels), spec)
    for name, found in find_ranges(float_graph, bits, list(pixels), spec, section).items():
        low, high = min(extremes[name].low, 0.0), max(extremes[name].high, 0.0)
        assert low - 1e-5 <= found.low <= 0 <= found.high <= high + 1e-5
        assert found.high > found.low
        if ranges == "minmax":
            assert (found.low, found.high) == (low, high)
