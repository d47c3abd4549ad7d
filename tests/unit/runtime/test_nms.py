"""Non-maximum suppression agrees with the plain definition, box by box."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hexdet.runtime.nms import class_aware_nms

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


def run(candidates: list[Candidate], threshold: float = 0.5, most: int = 100) -> list[int]:
    boxes: npt.NDArray[np.float32] = np.asarray([c[0] for c in candidates], np.float32)
    found = class_aware_nms(
        boxes.reshape(-1, 4),
        np.asarray([c[1] for c in candidates], np.float32),
        np.asarray([c[2] for c in candidates], np.int64),
        iou_threshold=threshold,
        max_detections=most,
    )
    assert found.dtype == np.int64
    return list(found)


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
