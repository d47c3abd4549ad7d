"""The drawing says the truth: outlines hold what an anchor matches, bars count every object."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexdet.training.anchor_fitting import drawing
from hexdet.training.anchor_fitting.drawing import PANEL, SizeAxes, size_axes
from hexdet.training.anchor_fitting.kmeans import size_iou

SIZES = np.asarray([(8.0, 12.0), (30.0, 20.0), (200.0, 290.0)])


@pytest.fixture(scope="module")
def axes() -> SizeAxes:
    return size_axes(SIZES, np.asarray([(20.0, 20.0)]), 300)


def test_the_axes_hold_objects_anchors_and_the_input(axes: SizeAxes) -> None:
    assert (axes.width.low, axes.width.high) == (8.0, 300.0)
    assert axes.ticks == [8, 16, 32, 64, 128, 256]
    assert [axes.width.at(v) for v in (8, 300)] == pytest.approx([0, PANEL])
    assert [axes.height.at(v) for v in (8, 300)] == pytest.approx([PANEL, 0])
    assert size_axes(SIZES, np.asarray([(9.0, 500.0)]), 300).width.high == 500


def back(points: str, axes: SizeAxes) -> drawing.Sizes:
    """Return the sizes that SVG points stand for."""
    places = np.asarray([pair.split(",") for pair in points.split()], np.float64)
    span = np.log(axes.width.high / axes.width.low) / PANEL
    shares = np.stack([places[:, 0], PANEL - places[:, 1]], axis=1) * span
    return np.asarray(axes.width.low * np.exp(shares), np.float64)


@given(width=st.floats(4, 300), height=st.floats(4, 300), match_iou=st.floats(0.2, 0.9))
def test_on_an_outline_the_iou_is_the_one_that_matches(
    width: float, height: float, match_iou: float
) -> None:
    axes = size_axes(SIZES, np.asarray([(20.0, 20.0)]), 300)
    sizes = back(drawing.outline(width, height, axes, match_iou), axes)
    found = size_iou(sizes, np.asarray([(width, height)]))[:, 0]
    # Points are written to a tenth of a unit, which is a thousandth of a size.
    np.testing.assert_allclose(found, match_iou, rtol=5e-3)


def test_the_line_of_a_border_has_its_side(axes: SizeAxes) -> None:
    for side in (16.0, 64.0, 128.0):
        ends = back(drawing.border(side, axes), axes)
        np.testing.assert_allclose(np.sqrt(ends.prod(axis=1)), side, rtol=5e-3)


def test_every_object_is_in_the_density_and_in_the_bars(axes: SizeAxes) -> None:
    rng = np.random.default_rng(0)
    sizes = rng.uniform(1, 400, (500, 2))  # some beyond the axes
    shades = drawing.density(sizes, axes)
    edges = np.geomspace(8, 300, drawing.CELLS + 1)
    inside = np.clip(sizes, 8, 300)
    cells = {tuple(np.clip(np.searchsorted(edges, v, "right"), 1, drawing.CELLS)) for v in inside}
    assert sum(path.count("M") for _, path in shades) == len(cells)
    assert [opacity for opacity, _ in shades] == sorted(opacity for opacity, _ in shades)
    wide = np.asarray([(100.0, 1.0)] * 3 + [(1.0, 100.0)] * 6)
    assert [height for _, _, height in drawing.ratio_bars(wide)] == [
        drawing.RATIO_HEIGHT / 2,
        drawing.RATIO_HEIGHT,
    ]
