"""PASCAL VOC's two APs against the development kit's own steps, written down plainly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.datasets.record import Annotation
from hexdet.evaluation.average_precision import area_under, eleven_point
from hexdet.evaluation.curves import rank
from hexdet.evaluation.matching import match_coco, match_voc, overlaps_of
from hexdet.runtime.detections import Detections

from .conftest import CLASSES, grid_case

Curve = tuple[list[Fraction], list[Fraction]]


def ours(truths: list[Annotation], found: list[Detections], label: int) -> tuple[float, float]:
    ranking = rank(match_voc(overlaps_of(truths, found)), label)
    return area_under(ranking), eleven_point(ranking)


def by_the_kit(truths: list[Annotation], found: list[Detections], label: int) -> Curve | None:
    """Return recall and precision after each detection, as VOCevaldet.m walks through them.

    Boxes are whole pixels from 1 with the last one inside, as the kit's files have them.
    """
    taken = {(image, at): False for image, t in enumerate(truths) for at in range(len(t))}
    objects = sum(int((~t.ignore & (t.labels == label)).sum()) for t in truths)
    if not objects:
        return None
    rows = [
        (-float(score), image, at)
        for image, d in enumerate(found)
        for at, score in enumerate(d.scores)
        if d.labels[at] == label
    ]
    true, false = 0, 0
    recall, precision = [], []
    for _, image, at in sorted(rows):
        mine = pixels(found[image].boxes[at])
        best, which = Fraction(-1), None
        for other in range(len(truths[image])):
            if truths[image].labels[other] != label:
                continue
            overlap = overlap_of(mine, pixels(truths[image].boxes[other]))
            if overlap is not None and overlap > best:
                best, which = overlap, other
        if which is not None and best >= Fraction(1, 2):
            if not truths[image].ignore[which]:
                if taken[image, which]:
                    false += 1
                else:
                    true += 1
                    taken[image, which] = True
        else:
            false += 1
        recall.append(Fraction(true, objects))
        precision.append(Fraction(true, true + false) if true + false else Fraction(0))
    return recall, precision


def pixels(box: np.ndarray) -> list[int]:
    """Return edges as the kit's pixels: 0 to 1 is the pixel 1."""
    x1, y1, x2, y2 = (int(v) for v in box)
    return [x1 + 1, y1 + 1, x2, y2]


def overlap_of(a: Sequence[int], b: Sequence[int]) -> Fraction | None:
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return None
    sizes = [(c[2] - c[0] + 1) * (c[3] - c[1] + 1) for c in (a, b)]
    return Fraction(width * height, sum(sizes) - width * height)


def eleven(recall: list[Fraction], precision: list[Fraction]) -> float:
    points = [
        max((p for r, p in zip(recall, precision, strict=True) if r >= Fraction(k, 10)), default=0)
        for k in range(11)
    ]
    return float(sum(points, Fraction(0)) / 11)


def area(recall: list[Fraction], precision: list[Fraction]) -> float:
    """Return VOCap.m's area: the envelope from the right, and a step for each new recall."""
    zero, one = Fraction(0), Fraction(1)
    recall, precision = [zero, *recall, one], [zero, *precision, zero]
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    steps = range(1, len(recall))
    return float(sum(((recall[i] - recall[i - 1]) * precision[i] for i in steps), zero))


@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 5), crowd=st.integers(0, 12))
@settings(deadline=None, max_examples=80)
def test_both_are_the_kits(seed: int, images: int, crowd: int) -> None:
    truths, found = grid_case(seed, images=images, crowd=crowd)
    for label in range(1, len(CLASSES) + 1):
        curve = by_the_kit(truths, found, label)
        expected = (math.nan, math.nan) if curve is None else (area(*curve), eleven(*curve))
        assert ours(truths, found, label) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def case(
    lefts: Sequence[float], ignore: Sequence[bool], found: Sequence[tuple[float, float]]
) -> tuple[list[Annotation], list[Detections]]:
    """Return one image with heads at some x, and a detection for each (x, score)."""

    def boxes(lefts: Sequence[float]) -> np.ndarray:
        return np.asarray([[x, 0, x + 20, 20] for x in lefts], np.float32).reshape(-1, 4)

    truth = Annotation(
        boxes=boxes(lefts),
        labels=np.ones(len(lefts), np.int64),
        ignore=np.asarray(ignore, np.bool_),
    )
    detections = Detections(
        boxes=boxes([x for x, _ in found]),
        scores=np.asarray([score for _, score in found], np.float32),
        labels=np.ones(len(found), np.int64),
        classes=CLASSES,
    )
    return [truth], [detections]


BOTH = (False, False)
TABLE = [
    ([], [], [], math.nan, math.nan),
    ([], [], [(0, 0.9)], math.nan, math.nan),
    ([0, 50], BOTH, [], 0.0, 0.0),
    ([0, 50], BOTH, [(0, 0.9)], 0.5, 6 / 11),
    ([0, 50], BOTH, [(0, 0.9), (50, 0.8)], 1.0, 1.0),
    ([0, 50], BOTH, [(0, 0.9), (100, 0.8), (50, 0.7)], (1 + 2 / 3) / 2, (6 + 5 * 2 / 3) / 11),
    ([0, 50], BOTH, [(100, 0.9), (0, 0.8)], 0.5 / 2, 6 * 0.5 / 11),
]


@pytest.mark.parametrize(("lefts", "ignore", "found", "of_area", "of_eleven"), TABLE)
def test_table(
    lefts: list[float],
    ignore: list[bool],
    found: list[tuple[float, float]],
    of_area: float,
    of_eleven: float,
) -> None:
    values = ours(*case(lefts, ignore, found), 1)
    assert values == pytest.approx((of_area, of_eleven), nan_ok=True)


def test_difficult_objects_are_neither_hit_nor_miss_nor_false_alarm() -> None:
    difficult = case([0, 50], [False, True], [(50, 0.9), (51, 0.8), (0, 0.7)])
    assert ours(*difficult, 1) == (1.0, 1.0)


def test_a_difficult_object_absorbs_by_union_and_not_by_cover() -> None:
    """A quarter of a difficult object is a false alarm for VOC, and none for COCO."""
    truths, found = case([0, 50], [False, True], [(50, 0.9), (0, 0.7)])
    found[0].boxes[0] = (50, 0, 60, 10)
    overlaps = overlaps_of(truths, found)
    assert match_voc(overlaps).false_alarm().tolist() == [True, False]
    assert match_coco(overlaps).false_alarm().tolist() == [False, False]


def test_a_detection_goes_to_its_best_object_also_where_that_is_taken() -> None:
    """COCO lets it fall to the next best, VOC counts it as a second detection of the first."""
    truths, found = case([0, 6], BOTH, [(1, 0.9), (2, 0.8)])
    overlaps = overlaps_of(truths, found)
    assert match_voc(overlaps).hit().tolist() == [True, False]
    assert match_voc(overlaps).false_alarm().tolist() == [False, True]
    assert match_coco(overlaps).hit().tolist() == [True, True]


@pytest.mark.parametrize("objects", [10, 20, 30])
def test_a_recall_of_three_tenths_reaches_the_fourth_point(objects: int) -> None:
    """In floats 3 * 0.1 lies above 3 / 10, and a point would be lost."""
    lefts = [50.0 * i for i in range(objects)]
    hits = [(x, 0.9) for x in lefts[: objects * 3 // 10]]
    value = ours(*case(lefts, [False] * objects, hits), 1)[1]
    assert value == pytest.approx(4 / 11)


@pytest.mark.parametrize(("ignore", "hit"), [((False, True), True), ((True, False), False)])
def test_of_two_objects_alike_the_earlier_one_is_meant(
    ignore: tuple[bool, bool], hit: bool
) -> None:
    matches = match_voc(overlaps_of(*case([0, 0], ignore, [(0, 0.9)])))
    assert matches.hit().tolist() == [hit]
    assert matches.void[0].tolist() == [not hit]
