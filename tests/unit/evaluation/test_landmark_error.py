"""The normalised mean error of landmarks, by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hexdet.datasets.record import LANDMARKS, Annotation
from hexdet.evaluation.landmark_error import landmark_error
from hexdet.runtime.detections import Detections

CLASSES = ("face", "partial")
LEAST = np.asarray([0.5, 0.5], np.float32)
BOX = (10.0, 10.0, 50.0, 100.0)  # 40 x 90: size 60
POINTS = np.asarray([[20, 40], [40, 40], [30, 60], [22, 80], [38, 80]], np.float32)
Points = npt.NDArray[np.float32]


def truth(*faces: tuple[tuple[float, ...], Points], ignore: bool = False) -> Annotation:
    return Annotation(
        boxes=np.asarray([box for box, _ in faces], np.float32).reshape(-1, 4),
        labels=np.ones(len(faces), np.int64),
        ignore=np.full(len(faces), ignore),
        landmarks=np.asarray([p for _, p in faces], np.float32).reshape(-1, 5, 2),
    )


def found(*faces: tuple[tuple[float, ...], Points, float], label: int = 1) -> Detections:
    return Detections(
        boxes=np.asarray([box for box, _, _ in faces], np.float32).reshape(-1, 4),
        scores=np.asarray([score for _, _, score in faces], np.float32),
        labels=np.full(len(faces), label, np.int64),
        classes=CLASSES,
        landmarks=np.asarray([p for _, p, _ in faces], np.float32).reshape(-1, 5, 2),
    )


def unknown(*rows: int) -> Points:
    points = POINTS.copy()
    points[list(rows)] = np.nan
    return points


@pytest.mark.parametrize(
    ("truths", "detections"),
    [
        ([], []),
        ([truth()], [found()]),
        ([truth((BOX, POINTS))], [found()]),
        ([truth((BOX, POINTS))], [found((BOX, POINTS, 0.49))]),
        ([truth((BOX, POINTS))], [found((BOX, POINTS, 0.9), label=2)]),
        ([truth((BOX, POINTS))], [found(((60, 10, 100, 100), POINTS, 0.9))]),
        ([truth((BOX, POINTS), ignore=True)], [found((BOX, POINTS, 0.9))]),
        ([truth((BOX, unknown(0, 1, 2, 3, 4)))], [found((BOX, POINTS, 0.9))]),
        (
            [truth((BOX, POINTS))],
            [Detections(boxes=np.asarray([BOX], np.float32), scores=np.ones(1, np.float32),
                        labels=np.ones(1, np.int64), classes=CLASSES)],
        ),
    ],
    ids=["no images", "no faces", "none found", "too low a score", "another class", "elsewhere",
         "ignored", "no known point", "no landmarks"],
)  # fmt: skip
def test_nothing_to_compare(truths: list[Annotation], detections: list[Detections]) -> None:
    assert landmark_error(truths, detections, LEAST) is None


def test_exact_points_have_no_error() -> None:
    result = landmark_error([truth((BOX, POINTS))], [found((BOX, POINTS, 0.9))], LEAST)
    assert result is not None
    assert (result.faces, result.box, result.eyes) == (1, 0.0, 0.0)
    assert result.points == dict.fromkeys(LANDMARKS, 0.0)


def test_the_error_is_a_share_of_the_size_and_of_the_distance_of_the_eyes() -> None:
    moved = POINTS + np.asarray([[0, 0], [0, 0], [3, 4], [0, 0], [0, 10]], np.float32)
    result = landmark_error([truth((BOX, POINTS))], [found((BOX, moved, 0.9))], LEAST)
    assert result is not None
    assert result.box == pytest.approx((5 + 10) / 5 / 60)
    assert result.eyes == pytest.approx((5 + 10) / 5 / 20)
    assert list(result.points.values()) == pytest.approx([0, 0, 5 / 60, 0, 10 / 60])


def test_points_that_are_not_known_are_left_out() -> None:
    moved = POINTS + np.asarray([6.0, 0.0], np.float32)
    truths = [truth((BOX, unknown(1, 3, 4))), truth((BOX, unknown(0, 1, 2, 3)))]
    result = landmark_error(truths, [found((BOX, moved, 0.9))] * 2, LEAST)
    assert result is not None
    assert result.faces == 2
    assert result.box == pytest.approx(0.1)
    assert result.eyes is None
    assert result.points["right eye"] is None
    assert result.points["right mouth corner"] == pytest.approx(0.1)


def test_every_face_counts_as_much_however_many_points_are_known() -> None:
    other = (60.0, 10.0, 100.0, 100.0)
    truths = [truth((BOX, POINTS), (other, unknown(0, 1, 2, 3)))]
    moved = POINTS + np.asarray([12.0, 0.0], np.float32)
    detections = [found((other, moved, 0.9), (BOX, POINTS, 0.8), (BOX, moved, 0.7))]
    result = landmark_error(truths, detections, LEAST)
    assert result is not None
    # One face is exact, the other's only known point a fifth of the size off; the third is late.
    assert result.box == pytest.approx(0.1)
    assert result.eyes == 0.0
