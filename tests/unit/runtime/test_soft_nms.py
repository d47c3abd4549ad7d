"""Soft suppression lowers scores as its paper says, and agrees with the plain loop."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.runtime.contract import Thresholds
from hexdet.runtime.plain_postprocess import plain_soft_nms
from hexdet.runtime.soft_nms import Decay, decay, suppress_softly

Float = npt.NDArray[np.float32]


def run(
    boxes: Float,
    scores: Float,
    kind: Decay,
    *,
    labels: npt.NDArray[np.int64] | None = None,
    floor: float = 0.0,
    most: int = 100,
) -> tuple[list[int], list[float]]:
    kept, lowered = suppress_softly(
        boxes,
        scores,
        labels,
        np.full(len(scores), floor, np.float32),
        kind,
        iou_threshold=0.45,
        sigma=0.5,
        max_detections=most,
    )
    return kept.tolist(), lowered.tolist()


def test_the_decay_is_that_of_the_paper() -> None:
    overlaps = np.asarray([0.0, 0.45, 0.5, 1.0], np.float32)
    linear = decay(overlaps, "linear", iou_threshold=0.45, sigma=0.5)
    np.testing.assert_allclose(linear, [1, 1, 0.5, 0], atol=1e-7)
    gaussian = decay(overlaps, "gaussian", iou_threshold=0.45, sigma=0.5)
    np.testing.assert_allclose(gaussian, [math.exp(-v * v / 0.5) for v in overlaps], rtol=1e-6)


# The second overlaps the first by 5 / 15, the third by 8 / 12; the last lies apart.
BOXES: Float = np.asarray(
    [[0, 0, 10, 10], [5, 0, 15, 10], [0, 2, 10, 12], [50, 50, 60, 60]], np.float32
)
SCORES: Float = np.asarray([0.9, 0.8, 0.7, 0.3], np.float32)


def test_linear_lowers_above_the_threshold_alone() -> None:
    kept, scores = run(BOXES, SCORES, "linear")
    assert kept == [0, 1, 3, 2]
    np.testing.assert_allclose(scores, [0.9, 0.8, 0.3, 0.7 / 3], rtol=1e-6)


def test_gaussian_lowers_every_overlap() -> None:
    kept, scores = run(BOXES, SCORES, "gaussian")
    assert kept[:2] == [0, 1]
    assert scores[1] == pytest.approx(0.8 * math.exp(-((1 / 3) ** 2) / 0.5), rel=1e-6)


def test_what_falls_below_the_floor_is_dropped() -> None:
    assert run(BOXES, SCORES, "linear", floor=0.25)[0] == [0, 1, 3]


def test_classes_do_not_lower_each_other() -> None:
    kept, scores = run(BOXES, SCORES, "linear", labels=np.asarray([0, 0, 1, 1]))
    assert (kept, scores) == ([0, 1, 2, 3], SCORES.tolist())


def test_of_equal_scores_the_lower_position_comes_first() -> None:
    apart = np.asarray([[20.0 * n, 0, 20 * n + 9, 9] for n in range(4)], np.float32)
    equal = np.asarray([0.5, 0.7, 0.7, 0.5], np.float32)
    assert run(apart, equal, "gaussian")[0] == [1, 2, 0, 3]


def test_nothing_and_a_limit() -> None:
    assert run(BOXES[:0], SCORES[:0], "linear") == ([], [])
    assert run(BOXES, SCORES, "linear", most=2)[0] == [0, 1]


@settings(deadline=None, max_examples=40, database=None)
@given(
    seed=st.integers(0, 2**31),
    count=st.integers(0, 40),
    kind=st.sampled_from(["linear", "gaussian"]),
    most=st.sampled_from([1, 5, 100]),
    floor=st.sampled_from([0.0, 0.2, 0.6]),
)
def test_agrees_with_the_plain_loop(
    seed: int, count: int, kind: Literal["linear", "gaussian"], most: int, floor: float
) -> None:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 60, (count, 2))
    boxes = np.concatenate([corners, corners + random.uniform(5, 40, (count, 2))], axis=1)
    boxes = boxes.astype(np.float32)
    scores = random.choice([0.3, 0.5, 0.7, 0.9], count).astype(np.float32)
    labels = random.integers(0, 2, count)
    thresholds = Thresholds(nms_iou=0.45, soft_sigma=0.5, max_detections=most)
    floors = np.full(count, floor, np.float32)
    expected = plain_soft_nms(boxes, scores, labels, floors, kind, thresholds)
    found = run(boxes, scores, kind, labels=labels, floor=floor, most=most)
    assert found == (expected[0], expected[1].tolist())
