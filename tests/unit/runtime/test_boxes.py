"""Box arithmetic obeys its laws: IoU, deltas, clipping."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.runtime.boxes import (
    MAX_LOG_SIZE,
    area,
    clip,
    decode,
    encode,
    intersection,
    iou,
    to_centred,
    to_corners,
)

Float = npt.NDArray[np.float32]
LAW = settings(deadline=None, max_examples=60, database=None)
VARIANCES = (0.1, 0.2)
NONE = np.zeros((0, 4), np.float32)


def boxes_of(*rows: tuple[float, float, float, float]) -> Float:
    return np.asarray(rows, np.float32).reshape(-1, 4)


@st.composite
def boxes(draw: st.DrawFn, count: int = 4, reach: float = 500.0) -> Float:
    """Up to `count` boxes of positive area, corners from -reach on, sides of 0.1 to reach."""
    corner = st.floats(-reach, reach, width=32)
    side = st.floats(0.125, reach, width=32)
    rows = draw(st.lists(st.tuples(corner, corner, side, side), max_size=count))
    return boxes_of(*((x, y, x + w, y + h) for x, y, w, h in rows))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Float, Float]:
    """Boxes with as many anchors, sizes within a factor that `decode` lets through."""
    place = st.floats(0, 300, width=32)
    side = st.floats(8, 300, width=32)
    rows = draw(st.lists(st.tuples(*[place, place, side, side] * 2), max_size=4))
    table = np.asarray(rows, np.float32).reshape(-1, 8)
    return to_corners(table[:, :4]), table[:, 4:]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([(0, 0, 4, 3)], [12]),
        ([(-1, -1, 1, 1), (5, 5, 5, 9)], [4, 0]),
        ([(4, 3, 0, 0), (4, 0, 0, 3)], [0, 0]),
    ],
    ids=["empty", "one", "of no width", "inverted"],
)
def test_area(rows: list[tuple[float, float, float, float]], expected: list[float]) -> None:
    np.testing.assert_array_equal(area(boxes_of(*rows)), expected)


@pytest.mark.parametrize(
    ("a", "b", "common", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 100, 1),
        ((0, 0, 10, 10), (5, 0, 15, 10), 50, 50 / 150),
        ((0, 0, 10, 10), (2, 3, 6, 8), 20, 0.2),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0, 0),
        ((0, 0, 10, 10), (20, 20, 30, 30), 0, 0),
        ((0, 0, 10, 10), (-5, 0, 5, 5), 25, 25 / 125),
        ((0, 0, 10, 10), (8, 8, 2, 2), 0, 0),
        ((3, 3, 3, 3), (3, 3, 3, 3), 0, 0),
    ],
    ids=["same", "half", "inside", "touching", "apart", "corner", "inverted", "points"],
)
def test_iou_of_one_pair(
    a: tuple[float, ...], b: tuple[float, ...], common: float, expected: float
) -> None:
    first, second = np.asarray([a], np.float32), np.asarray([b], np.float32)
    assert intersection(first, second) == pytest.approx(common)
    assert iou(first, second) == pytest.approx(expected)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 3), (3, 0), (2, 3)])
def test_iou_has_a_row_for_each_first_and_a_column_for_each_second(rows: int, columns: int) -> None:
    one = boxes_of((0, 0, 2, 2))
    found = iou(np.repeat(one, rows, 0), np.repeat(one, columns, 0))
    assert found.shape == (rows, columns)
    assert found.dtype == np.float32


@LAW
@given(a=boxes(), b=boxes())
def test_iou_is_symmetric_and_between_0_and_1(a: Float, b: Float) -> None:
    found = iou(a, b)
    np.testing.assert_array_equal(found, iou(b, a).T)
    assert (found >= 0).all()
    assert (found <= 1).all()


@LAW
@given(a=boxes())
def test_iou_of_a_box_with_itself_is_1(a: Float) -> None:
    np.testing.assert_array_equal(np.diagonal(iou(a, a)), np.ones(len(a)))


@LAW
@given(a=boxes(), shift=st.integers(-64, 64))
def test_iou_does_not_change_when_both_boxes_move(a: Float, shift: int) -> None:
    whole = np.round(a)
    moved = whole + np.float32(shift)
    np.testing.assert_allclose(iou(moved, moved), iou(whole, whole), atol=1e-6)


def test_corners_and_centres_of_a_known_box() -> None:
    np.testing.assert_array_equal(to_centred(boxes_of((10, 20, 30, 60))), [[20, 40, 20, 40]])
    np.testing.assert_array_equal(to_corners(boxes_of((20, 40, 20, 40))), [[10, 20, 30, 60]])


@LAW
@given(a=boxes())
def test_to_corners_is_the_inverse_of_to_centred(a: Float) -> None:
    np.testing.assert_allclose(to_corners(to_centred(a)), a, atol=1e-3)


def test_none_is_encoded_and_decoded_as_none() -> None:
    assert encode(NONE, NONE, VARIANCES).shape == (0, 4)
    assert decode(NONE, NONE, VARIANCES).shape == (0, 4)
    assert clip(NONE, 10, 10).shape == (0, 4)


def test_deltas_of_a_known_box() -> None:
    anchor = boxes_of((100, 100, 20, 40))
    box = to_corners(boxes_of((102, 96, 40, 20)))
    expected = [[2 / 20 / 0.1, -4 / 40 / 0.1, np.log(2) / 0.2, np.log(0.5) / 0.2]]
    np.testing.assert_allclose(encode(box, anchor, VARIANCES), expected, rtol=1e-5)


def test_deltas_of_zero_give_the_anchors() -> None:
    anchors = boxes_of((100, 100, 20, 40), (3, 5, 8, 2))
    found = decode(np.zeros((2, 4), np.float32), anchors, VARIANCES)
    np.testing.assert_allclose(found, to_corners(anchors))


@LAW
@given(pair=pairs(), variances=st.sampled_from([(0.1, 0.2), (1.0, 1.0), (0.5, 0.05)]))
def test_decode_of_encode_is_the_identity(
    pair: tuple[Float, Float], variances: tuple[float, float]
) -> None:
    truth, anchors = pair
    found = decode(encode(truth, anchors, variances), anchors, variances)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, truth, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("wild", [1e3, 1e10, 1e30, -1e30])
def test_a_wild_delta_gives_a_finite_box(wild: float) -> None:
    anchors = boxes_of((150, 150, 20, 40))
    found = decode(np.full((1, 4), wild, np.float32), anchors, VARIANCES)
    assert np.isfinite(found).all()


def test_a_decoded_side_is_at_most_62_and_a_half_times_the_anchors() -> None:
    anchors = boxes_of((0, 0, 20, 40))
    found = decode(boxes_of((0, 0, 1e30, 1e30)), anchors, VARIANCES)
    assert np.exp(MAX_LOG_SIZE) == pytest.approx(62.5)
    np.testing.assert_allclose(to_centred(found)[0, 2:], [20 * 62.5, 40 * 62.5], rtol=1e-5)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((1, 2, 3, 4), (1, 2, 3, 4)),
        ((-5, -6, 7, 8), (0, 0, 7, 8)),
        ((5, 6, 700, 800), (5, 6, 100, 50)),
        ((200, 300, 400, 500), (100, 50, 100, 50)),
        ((-9, -9, -1, -1), (0, 0, 0, 0)),
    ],
    ids=["inside", "left and top", "right and bottom", "behind", "before"],
)
def test_clip_cuts_to_width_and_height(
    box: tuple[float, float, float, float], expected: tuple[float, ...]
) -> None:
    found = clip(boxes_of(box), width=100, height=50)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [expected])


@LAW
@given(a=boxes(reach=1000.0))
def test_clip_twice_is_clip_once_and_lies_inside(a: Float) -> None:
    once = clip(a, 300, 200)
    np.testing.assert_array_equal(clip(once, 300, 200), once)
    assert (once >= 0).all()
    assert (once <= np.asarray([300, 200, 300, 200])).all()
