"""Placement: where an image lies in the network's input, and boxes there and back."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.runtime.contract import InputSpec
from hexdet.runtime.placement import Placement, fitted, place

FITS = ["stretch", "letterbox"]


def spec_of(fit: str, width: int = 300, height: int = 300) -> InputSpec:
    return InputSpec(width=width, height=height, fit=fit)  # type: ignore[arg-type]


@pytest.mark.parametrize("fit", FITS)
def test_no_box_is_no_box(fit: str) -> None:
    none = np.zeros((0, 4), np.float32)
    placement = place(1280, 720, spec_of(fit))
    for moved in (placement.to_image(none), placement.to_input(none)):
        assert moved.shape == (0, 4)
        assert moved.dtype == np.float32


CASES = [
    # image, input, fit, the rectangle of the input that it fills
    ((1280, 720), (300, 300), "stretch", (0, 0, 300, 300)),
    ((1280, 720), (300, 300), "letterbox", (0, 65, 300, 169)),
    ((720, 1280), (300, 300), "letterbox", (65, 0, 169, 300)),
    ((300, 300), (300, 300), "letterbox", (0, 0, 300, 300)),
    ((600, 400), (300, 200), "letterbox", (0, 0, 300, 200)),
    ((100, 100), (320, 180), "letterbox", (70, 0, 180, 180)),
    ((1, 1), (300, 300), "letterbox", (0, 0, 300, 300)),
    ((10_000, 1), (300, 300), "letterbox", (0, 149, 300, 1)),
    ((1, 10_000), (300, 300), "letterbox", (149, 0, 1, 300)),
]


@pytest.mark.parametrize(("image", "size", "fit", "expected"), CASES)
def test_the_rectangle_that_an_image_fills(
    image: tuple[int, int], size: tuple[int, int], fit: str, expected: tuple[int, ...]
) -> None:
    assert fitted(*image, spec_of(fit, *size)) == expected


@pytest.mark.parametrize(("image", "size", "fit", "rectangle"), CASES)
def test_the_whole_image_fills_its_rectangle(
    image: tuple[int, int], size: tuple[int, int], fit: str, rectangle: tuple[int, ...]
) -> None:
    placement = place(*image, spec_of(fit, *size))
    x, y, width, height = rectangle
    whole = np.asarray([[0, 0, *image]], np.float32)
    inner = np.asarray([[x, y, x + width, y + height]], np.float32)
    np.testing.assert_allclose(placement.to_input(whole), inner, rtol=1e-6)
    np.testing.assert_allclose(placement.to_image(inner), whole, rtol=1e-6)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((0, 0, 300, 300), (0, 0, 1280, 720)),
        ((30, 150, 60, 225), (128, 360, 256, 540)),
        ((-5, -5, 310, 400), (0, 0, 1280, 720)),
        ((290, 290, 320, 320), (1237.3334, 696, 1280, 720)),
    ],
)
def test_boxes_by_hand_in_a_stretched_image(
    box: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    placement = place(1280, 720, spec_of("stretch"))
    found = placement.to_image(np.asarray([box], np.float32))
    np.testing.assert_allclose(found, [expected], rtol=1e-6)


def test_a_box_in_the_bars_of_a_letterbox_is_cut_to_the_image() -> None:
    placement = place(1280, 720, spec_of("letterbox"))  # rows 65 to 234
    found = placement.to_image(np.asarray([[0, 0, 300, 300], [10, 0, 20, 60]], np.float32))
    np.testing.assert_allclose(found[0], [0, 0, 1280, 720], rtol=1e-6)
    assert found[1, 1] == found[1, 3] == 0  # nothing of it is left


def test_boxes_that_are_given_stay_as_they_are() -> None:
    boxes = np.asarray([[-5, 10, 400, 20]], np.float32)
    before = boxes.copy()
    place(1280, 720, spec_of("letterbox")).to_image(boxes)
    np.testing.assert_array_equal(boxes, before)


def test_the_offset_comes_off_before_the_scale() -> None:
    placement = Placement(
        image_width=100, image_height=100, scale_x=2, scale_y=4, offset_x=10, offset_y=20
    )
    found = placement.to_image(np.asarray([[12, 24, 50, 60]], np.float32))
    assert found.tolist() == [[1, 1, 20, 10]]


side = st.integers(1, 5000)
input_side = st.integers(32, 1024)
shares = st.lists(st.tuples(*[st.floats(0, 1, width=32)] * 4), max_size=8)


def boxes_in(width: int, height: int, drawn: list[tuple[float, ...]]) -> npt.NDArray[np.float32]:
    """Return boxes inside an image from shares of its sides."""
    corners = np.asarray(drawn, np.float32).reshape(-1, 2, 2)
    return (np.sort(corners, axis=1) * [width, height]).reshape(-1, 4).astype(np.float32)


@settings(deadline=None)
@given(side, side, input_side, input_side, st.sampled_from(FITS), shares)
def test_there_and_back_is_the_identity(
    width: int, height: int, columns: int, rows: int, fit: str, drawn: list[tuple[float, ...]]
) -> None:
    boxes = boxes_in(width, height, drawn)
    placement = place(width, height, spec_of(fit, columns, rows))
    back = placement.to_image(placement.to_input(boxes))
    # float32 keeps 24 bits of the offset's and the box's sum: a pixel of the input that stands for
    # many of the image keeps so many fewer.
    apart = 2**-22 * max(columns, rows) / min(placement.scale_x, placement.scale_y)
    np.testing.assert_allclose(back, boxes, rtol=1e-6, atol=apart)
    assert (back >= 0).all() and (back <= [width, height] * 2).all()


@settings(deadline=None)
@given(side, side, input_side, input_side)
def test_a_letterbox_keeps_the_proportions_and_lies_in_the_middle(
    width: int, height: int, columns: int, rows: int
) -> None:
    x, y, inner_width, inner_height = fitted(width, height, spec_of("letterbox", columns, rows))
    assert inner_width == columns or inner_height == rows
    assert 1 <= inner_width <= columns and 1 <= inner_height <= rows
    assert 0 <= columns - inner_width - 2 * x <= 1
    assert 0 <= rows - inner_height - 2 * y <= 1
    scale = min(columns / width, rows / height)
    assert abs(inner_width - max(width * scale, 1)) <= 0.5 + 1e-6
    assert abs(inner_height - max(height * scale, 1)) <= 0.5 + 1e-6


@settings(deadline=None)
@given(side, side, input_side, input_side, shares)
def test_a_stretched_box_is_a_share_of_the_input(
    width: int, height: int, columns: int, rows: int, drawn: list[tuple[float, ...]]
) -> None:
    boxes = boxes_in(width, height, drawn)
    placement = place(width, height, spec_of("stretch", columns, rows))
    found = placement.to_input(boxes) / ([columns, rows] * 2)
    np.testing.assert_allclose(found, boxes / ([width, height] * 2), rtol=1e-5, atol=1e-6)
