"""The annotation builder keeps what can be learnt from, and lists what it drops with the reason."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hexdet.datasets.record import LANDMARKS, Annotation, AnnotationBuilder, Dropped

Box = tuple[float, float, float, float]


@pytest.fixture
def builder() -> AnnotationBuilder:
    """The builder of an image of 100 x 50 pixels."""
    return AnnotationBuilder(image="a", width=100, height=50, dropped=[])


def test_no_object_is_an_annotation_of_none(builder: AnnotationBuilder) -> None:
    for truth in (builder.build(), Annotation.empty()):
        assert len(truth) == 0
        assert truth.boxes.shape == (0, 4)
        assert truth.labels.shape == truth.ignore.shape == (0,)
        assert truth.boxes.dtype == np.float32
        assert truth.labels.dtype == np.int64
        assert truth.ignore.dtype == np.bool_
    assert builder.dropped == []


def test_what_is_kept_stays_in_its_order(builder: AnnotationBuilder) -> None:
    builder.add((10, 10, 30, 40), 2)
    builder.add((10, 10, 10, 40), 1)  # dropped in between
    builder.add((0, 0, 100, 50), 1, ignore=True)
    truth = builder.build()
    np.testing.assert_array_equal(truth.boxes, [[10, 10, 30, 40], [0, 0, 100, 50]])
    assert truth.labels.tolist() == [2, 1]
    assert truth.ignore.tolist() == [False, True]
    assert len(truth) == 2
    assert truth.boxes.dtype == np.float32
    assert truth.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((-5, -6, 20, 30), (0, 0, 20, 30)),
        ((90, 40, 130, 70), (90, 40, 100, 50)),
        ((-10, -10, 500, 500), (0, 0, 100, 50)),
        ((5.5, 6.25, 6.5, 7.25), (5.5, 6.25, 6.5, 7.25)),
        ((99, 0, 400, 50), (99, 0, 100, 50)),
    ],
    ids=["left and top", "right and bottom", "all sides", "one pixel", "a strip of one pixel"],
)
def test_a_box_is_cut_to_the_image(box: Box, kept: Box, builder: AnnotationBuilder) -> None:
    builder.add(box, 1)
    np.testing.assert_array_equal(builder.build().boxes, [kept])
    assert builder.dropped == []


@pytest.mark.parametrize(
    ("box", "label", "reason"),
    [
        ((10, 10, 20, 20), None, "unknown class"),
        ((math.nan, 10, 20, 20), 1, "not finite"),
        ((10, 10, 20, math.inf), 1, "not finite"),
        ((-math.inf, 10, 20, 20), 1, "not finite"),
        ((10, 10, 10, 20), 1, "zero area"),
        ((10, 10, 20, 10), 1, "zero area"),
        ((10, 10, 10, 10), 1, "zero area"),
        ((20, 10, 10, 20), 1, "zero area"),
        ((10, 10, 10.9, 20), 1, "zero area"),
        ((100, 0, 120, 20), 1, "outside the image"),
        ((0, 50, 20, 70), 1, "outside the image"),
        ((-30, 0, -10, 20), 1, "outside the image"),
        ((0, -30, 20, 0), 1, "outside the image"),
        ((99.5, 0, 120, 20), 1, "outside the image"),
    ],
)
def test_what_cannot_be_learnt_from_is_listed(
    box: Box, label: int | None, reason: str, builder: AnnotationBuilder
) -> None:
    builder.add(box, label, detail="cat")
    assert len(builder.build()) == 0
    (dropped,) = builder.dropped
    assert (dropped.image, dropped.reason) == ("a", reason)
    assert dropped.detail.startswith("cat (")
    for value in box:
        assert str(round(float(value), 1)) in dropped.detail


def test_an_ignored_box_that_cannot_be_used_is_dropped_too(builder: AnnotationBuilder) -> None:
    builder.add((10, 10, 10, 20), 1, ignore=True)
    assert [d.reason for d in builder.dropped] == ["zero area"]


def test_the_smallest_side_can_be_chosen() -> None:
    dropped: list[Dropped] = []
    builder = AnnotationBuilder(image="a", width=100, height=50, dropped=dropped, min_side_px=8)
    builder.add((0, 0, 8, 8), 1)
    builder.add((0, 0, 8, 7.5), 1)
    builder.add((95, 0, 105, 20), 1)  # five pixels of it are in the image
    assert len(builder.build()) == 1
    assert [d.reason for d in dropped] == ["zero area", "outside the image"]


def test_images_share_one_list_of_what_was_dropped() -> None:
    dropped: list[Dropped] = []
    for name in ("a", "b"):
        builder = AnnotationBuilder(image=name, width=10, height=10, dropped=dropped)
        builder.add((1, 1, 1, 1), 1)
    assert [d.image for d in dropped] == ["a", "b"]


POINTS = np.arange(10, dtype=np.float32).reshape(5, 2)


def test_boxes_without_points_make_no_landmarks(builder: AnnotationBuilder) -> None:
    builder.add((10, 10, 30, 40), 1)
    builder.add((10, 10, 30, 40), 1, landmarks=np.full((5, 2), np.nan))
    truth = builder.build()
    assert truth.landmarks is None
    assert truth.points().shape == (2, len(LANDMARKS), 2)
    assert truth.points().dtype == np.float32
    assert np.isnan(truth.points()).all()
    assert Annotation.empty().points().shape == (0, len(LANDMARKS), 2)


def test_points_stay_with_their_box_and_are_not_cut(builder: AnnotationBuilder) -> None:
    builder.add((10, 10, 30, 40), 1)
    builder.add((10, 10, 10, 40), 1, landmarks=POINTS)  # dropped in between
    builder.add((-5, 0, 30, 40), 1, landmarks=(POINTS - 3).tolist())
    landmarks = builder.build().landmarks
    assert landmarks is not None
    assert landmarks.dtype == np.float32
    assert np.isnan(landmarks[0]).all()
    np.testing.assert_array_equal(landmarks[1], POINTS - 3)


def test_a_point_is_known_whole_or_not_at_all(builder: AnnotationBuilder) -> None:
    points = POINTS.copy()
    points[2, 1] = np.nan
    builder.add((10, 10, 30, 40), 1, landmarks=points)
    landmarks = builder.build().landmarks
    assert landmarks is not None
    assert np.isnan(landmarks[0]).any(axis=1).tolist() == [False, False, True, False, False]
    assert np.isnan(landmarks[0, 2]).all()
