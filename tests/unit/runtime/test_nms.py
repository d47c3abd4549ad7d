"""Non-maximum suppression agrees with the plain definition, box by box."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hexdet.runtime.contract import Thresholds
from hexdet.runtime.nms import BLOCK, WHOLE, suppress
from hexdet.runtime.plain_postprocess import plain_nms

LAW = settings(deadline=None, max_examples=80, database=None)
Box = tuple[float, float, float, float]
Candidate = tuple[Box, float, int]


def overlap(a: Box, b: Box) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def reference(candidates: list[Candidate], threshold: float, most: int) -> list[int]:
    """Take the best that overlaps none of its class that was taken before; ties by index."""
    kept: list[int] = []
    for index in sorted(range(len(candidates)), key=lambda i: (-candidates[i][1], i)):
        box, _, label = candidates[index]
        rivals = [candidates[i][0] for i in kept if candidates[i][2] == label]
        if all(overlap(box, rival) <= threshold for rival in rivals):
            kept.append(index)
    return kept[:most]


def run(
    candidates: list[Candidate], threshold: float = 0.5, most: int = 100, *, aware: bool = True
) -> list[int]:
    """Suppress candidates in any order; returns their indices, best first."""
    scores: npt.NDArray[np.float32] = np.asarray([c[1] for c in candidates], np.float32)
    order = np.argsort(-scores, kind="stable")
    boxes: npt.NDArray[np.float32] = np.asarray([c[0] for c in candidates], np.float32)
    found = suppress(
        boxes.reshape(-1, 4)[order].T,
        np.asarray([c[2] for c in candidates], np.int64)[order] if aware else None,
        iou_threshold=threshold,
        max_detections=most,
    )
    return [int(order[position]) for position in found]


UNIT: Box = (0, 0, 10, 10)
NEAR: Box = (1, 0, 11, 10)  # IoU with UNIT 9 / 11
FAR: Box = (50, 50, 60, 60)


@pytest.mark.parametrize(
    ("candidates", "expected"),
    [
        ([], []),
        ([(UNIT, 0.5, 0)], [0]),
        ([(UNIT, 0.5, 0), (NEAR, 0.9, 0)], [1]),
        ([(UNIT, 0.5, 0), (FAR, 0.9, 0)], [1, 0]),
        ([(UNIT, 0.5, 0), (NEAR, 0.9, 1)], [1, 0]),
        ([(UNIT, 0.5, 0), (NEAR, 0.5, 0), (UNIT, 0.5, 0)], [0]),
        ([(FAR, 0.5, 0), (UNIT, 0.5, 0), (UNIT, 0.5, 1)], [0, 1, 2]),
    ],
    ids=[
        "empty",
        "one",
        "the higher score stays",
        "apart",
        "classes do not suppress each other",
        "of equal scores the lower index stays",
        "ties keep their order",
    ],
)
def test_known_cases(candidates: list[Candidate], expected: list[int]) -> None:
    assert run(candidates) == expected


def test_a_suppressed_box_suppresses_nothing() -> None:
    # Each overlaps the next by 6 / 14; the first and the third only by 2 / 18.
    chain: list[Candidate] = [
        ((0, 0, 10, 10), 0.9, 0),
        ((4, 0, 14, 10), 0.8, 0),
        ((8, 0, 18, 10), 0.7, 0),
    ]
    assert run(chain, threshold=0.4) == [0, 2]


def test_an_overlap_of_just_the_threshold_stays() -> None:
    halves: list[Candidate] = [((0, 0, 10, 10), 0.9, 0), ((0, 0, 10, 5), 0.8, 0)]
    assert run(halves, threshold=0.5) == [0, 1]
    assert run(halves, threshold=0.49) == [0]


@pytest.mark.parametrize(("most", "expected"), [(0, []), (1, [2]), (2, [2, 1]), (9, [2, 1, 0])])
def test_max_detections_keeps_the_best(most: int, expected: list[int]) -> None:
    apart: list[Candidate] = [
        ((20.0 * i, 0, 20.0 * i + 10, 10), score, 0) for i, score in enumerate([0.1, 0.2, 0.3])
    ]
    assert run(apart, most=most) == expected


@LAW
@given(
    candidates=st.lists(
        st.tuples(
            st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(13, 20)] * 2),
            st.sampled_from([0.1, 0.25, 0.5, 0.9]),
            st.integers(0, 2),
        ),
        max_size=25,
    ),
    threshold=st.sampled_from([0.0, 0.3, 0.45, 0.7, 1.0]),
    most=st.integers(1, 10),
)
def test_agrees_with_the_plain_definition(
    candidates: list[Candidate], threshold: float, most: int
) -> None:
    if threshold not in (0.0, 1.0):  # elsewhere float32 may fall on either side of a tie
        overlaps = [overlap(a[0], b[0]) for a in candidates for b in candidates]
        assume(all(abs(v - threshold) > 1e-6 for v in overlaps))
    assert run(candidates, threshold, most) == reference(candidates, threshold, most)
    together = [(box, score, 0) for box, score, _ in candidates]
    found = run(candidates, threshold, most, aware=False)
    assert found == reference(together, threshold, most)


@pytest.mark.parametrize(
    "count", [WHOLE - 1, WHOLE, WHOLE + 1, WHOLE + BLOCK, 2 * WHOLE, 5 * WHOLE, 1000]
)
@pytest.mark.parametrize("crowd", [5, 60, 400])
@pytest.mark.parametrize("most", [1, 37, 200, 1000])
def test_many_boxes_are_settled_block_by_block(count: int, crowd: int, most: int) -> None:
    random = np.random.default_rng(count)
    # Few places mean that one box suppresses many.
    corners = random.uniform(0, 300, (crowd, 2))[random.integers(0, crowd, count)]
    corners += random.normal(0, 2, (count, 2))
    boxes = np.concatenate([corners, corners + random.uniform(20, 40, (count, 2))], axis=1)
    boxes = boxes.astype(np.float32)
    labels = random.integers(0, 2, count)
    thresholds = Thresholds(nms_iou=0.45, max_detections=most)
    for groups in (labels, None):
        found = suppress(boxes.T, groups, iou_threshold=0.45, max_detections=most)
        expected = plain_nms(boxes, np.zeros_like(labels) if groups is None else groups, thresholds)
        assert found == expected


def test_boxes_too_thin_for_an_area_suppress_nothing() -> None:
    thin = np.asarray([[0, 0, 1e-30, 1e-30]] * 2, np.float32)  # the area underflows to zero
    with np.errstate(invalid="ignore"):
        assert suppress(thin.T, None, iou_threshold=0.0, max_detections=9) == [0, 1]
