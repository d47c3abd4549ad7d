"""Matching: every anchor's label follows from its IoUs, and no truth is forgotten silently."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.datasets.record import Annotation
from hexdet.recipe import parse_recipe
from hexdet.runtime import boxes as box_math
from hexdet.runtime.anchors import all_anchors
from hexdet.training.contract import contract_of
from hexdet.training.matching import Targets, match

Float = npt.NDArray[np.float32]

VARIANCES = (0.1, 0.2)
MATCH, IGNORE = 0.5, 0.4
SIDE = 128
ANCHORS = all_anchors(
    contract_of(parse_recipe({"name": "t", "network": {"width": SIDE, "height": SIDE}}, "test"))
)


def truth_of(
    boxes: list[list[float]], labels: list[int] | None = None, ignore: list[bool] | None = None
) -> Annotation:
    return Annotation(
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        labels=np.asarray(labels or range(1, len(boxes) + 1), np.int64),
        ignore=np.asarray(ignore or [False] * len(boxes), np.bool_),
    )


def matched(truth: Annotation, anchors: list[list[float]] | Float) -> Targets:
    array = np.asarray(anchors, np.float32).reshape(-1, 4)
    return match(truth, array, VARIANCES, match_iou=MATCH, ignore_iou=IGNORE)


def test_an_image_without_truth_is_all_background() -> None:
    targets = matched(Annotation.empty(), ANCHORS)
    assert targets.labels.dtype == np.int64 and targets.deltas.dtype == np.float32
    assert targets.labels.shape == (len(ANCHORS),)
    assert targets.deltas.shape == (len(ANCHORS), 4)
    assert not targets.labels.any() and not targets.deltas.any()


TRUTH_20 = [[0.0, 0.0, 20.0, 20.0]]


@pytest.mark.parametrize(
    ("height", "label"),
    [
        (20, 7),  # IoU 1: the best
        (16, 7),  # 0.8
        (10, 7),  # 0.5, the bound itself, is positive
        (9.9, -1),  # 0.495
        (9, -1),  # 0.45
        (8.1, -1),  # 0.405
        (7.9, 0),  # 0.395
        (2, 0),  # 0.1
    ],
)
def test_the_label_follows_from_the_iou(height: float, label: int) -> None:
    anchors = [[10, 10, 20, 20], [10, 10, 20, height], [90, 90, 20, 20]]
    targets = matched(truth_of(TRUTH_20, [7]), anchors)
    assert targets.labels.tolist() == [7, label, 0]


@pytest.mark.parametrize("side", [1.0, 4.0, 10.0])
def test_the_best_anchor_is_positive_whatever_its_iou(side: float) -> None:
    truth = truth_of([[30 - side / 2, 10 - side / 2, 30 + side / 2, 10 + side / 2]])
    anchors = [[10, 10, 20, 20], [30, 10, 20, 20], [90, 90, 20, 20]]
    assert box_math.iou(box_math.to_corners(np.float32(anchors)), truth.boxes).max() < IGNORE
    assert matched(truth, anchors).labels.tolist() == [0, 1, 0]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_smaller_truth_keeps_the_best_anchor_of_both(order: tuple[int, int]) -> None:
    boxes, labels = [[1.0, 1, 19, 19], [7.0, 7, 13, 13]], [1, 2]
    truth = truth_of([boxes[i] for i in order], [labels[i] for i in order])
    targets = matched(truth, [[10, 10, 20, 20], [90, 90, 20, 20]])
    assert targets.labels.tolist() == [2, 0]


def test_the_larger_of_two_falls_back_on_its_other_anchors() -> None:
    truth = truth_of([[0.0, 0, 20, 20], [8.0, 8, 12, 12]])
    targets = matched(truth, [[10, 10, 20, 20], [10, 10, 20, 16], [10, 10, 21, 20]])
    # All three fit the large truth; the second, the smallest, is also the best of the small one.
    assert targets.labels.tolist() == [1, 2, 1]


def test_two_identical_truths_both_own_anchors() -> None:
    truth = truth_of([*TRUTH_20, *TRUTH_20])
    targets = matched(truth, [[10, 10, 20, 20], [10, 10, 20, 16]])
    assert sorted(targets.labels.tolist()) == [1, 2]


@pytest.mark.parametrize(
    ("anchor", "label"),
    [
        ([30, 30, 60, 60], -1),  # the region itself
        ([30, 30, 50, 50], -1),  # IoU 0.69
        ([15, 15, 10, 10], -1),  # wholly inside, IoU 0.03
        ([60, 30, 10, 10], -1),  # half inside: 0.5, the bound itself
        ([60.5, 30, 10, 10], 0),  # 0.45 inside
        ([90, 90, 20, 20], 0),  # outside
        ([30, 30, 90, 90], -1),  # the region fills 0.44 of it: in the band
        ([30, 30, 120, 120], 0),  # the region fills a quarter of it
    ],
)
def test_ignored_truths_take_no_loss(anchor: list[float], label: int) -> None:
    truth = truth_of([[0.0, 0, 60, 60]], [3], [True])
    assert matched(truth, [anchor]).labels.tolist() == [label]


def test_a_truth_inside_an_ignored_region_is_learnt() -> None:
    truth = truth_of([[0.0, 0, 60, 60], [20.0, 20, 40, 40]], [3, 5], [True, False])
    anchors = [[30, 30, 20, 20], [30, 30, 20, 16], [10, 10, 20, 20], [90, 90, 20, 20]]
    assert matched(truth, anchors).labels.tolist() == [5, 5, -1, 0]


def test_an_ignored_twin_does_not_take_the_best_anchor_away() -> None:
    truth = truth_of([*TRUTH_20, *TRUTH_20], [3, 5], [True, False])
    assert matched(truth, [[10, 10, 20, 20], [90, 90, 20, 20]]).labels.tolist() == [5, 0]


QUARTERS = 4
"""Corners lie on quarters of a pixel: exact in float32, and equal IoUs do happen."""


@st.composite
def boxes_inside(draw: st.DrawFn) -> list[float]:
    """A box of 4 to 90 px a side inside the image."""
    width, height = (draw(st.integers(4 * QUARTERS, 90 * QUARTERS)) for _ in range(2))
    x = draw(st.integers(0, SIDE * QUARTERS - width))
    y = draw(st.integers(0, SIDE * QUARTERS - height))
    return [v / QUARTERS for v in (x, y, x + width, y + height)]


@st.composite
def truths(draw: st.DrawFn) -> Annotation:
    """Up to eight truths of distinct labels, some of them copies, some of them ignored."""
    boxes = draw(st.lists(boxes_inside(), max_size=6))
    if boxes:
        boxes += draw(st.lists(st.sampled_from(boxes), max_size=2))
    ignore = draw(st.lists(st.booleans(), min_size=len(boxes), max_size=len(boxes)))
    return truth_of(boxes, ignore=ignore)


@settings(deadline=None, max_examples=100)
@given(truths())
def test_every_truth_owns_its_best_anchor_unless_a_smaller_one_has_the_same(
    truth: Annotation,
) -> None:
    """A truth's best anchor goes to the smallest (of equals: the last) of those it is best for."""
    targets = matched(truth, ANCHORS)
    overlap = box_math.iou(box_math.to_corners(ANCHORS), truth.boxes)
    claims: dict[int, list[int]] = {}
    for index in np.flatnonzero(~truth.ignore):
        claims.setdefault(int(overlap[:, index].argmax()), []).append(int(index))
    areas = box_math.area(truth.boxes)
    for anchor, rivals in claims.items():
        owner = min(reversed(rivals), key=lambda i: areas[i])
        assert targets.labels[anchor] == truth.labels[owner]
    owned = set(targets.labels[targets.labels > 0].tolist())
    assert len(owned) >= len(claims)
    if all(len(rivals) == 1 for rivals in claims.values()):
        assert owned == set(truth.labels[~truth.ignore].tolist())


@settings(deadline=None, max_examples=100)
@given(truths())
def test_every_label_has_its_reason(truth: Annotation) -> None:
    targets = matched(truth, ANCHORS)
    corners = box_math.to_corners(ANCHORS)
    overlap = box_math.iou(corners, truth.boxes)
    nearest = overlap.max(axis=1, initial=0)
    best = {int(overlap[:, i].argmax()) for i in np.flatnonzero(~truth.ignore)}
    regions = truth.boxes[truth.ignore]
    share = box_math.intersection(corners, regions) / box_math.area(corners)[:, None]
    covered = share.max(axis=1, initial=0) >= MATCH
    for anchor, label in enumerate(targets.labels):
        if label == 0:
            assert nearest[anchor] < IGNORE and not covered[anchor] and anchor not in best
        elif label == -1:
            assert (nearest[anchor] >= IGNORE or covered[anchor]) and anchor not in best
        else:
            assert not truth.ignore[label - 1]
            own = overlap[anchor, label - 1]
            assert anchor in best or (own >= MATCH and own == nearest[anchor])


@settings(deadline=None, max_examples=100)
@given(truths())
def test_deltas_of_positive_anchors_decode_to_their_truth(truth: Annotation) -> None:
    targets = matched(truth, ANCHORS)
    positive = targets.labels > 0
    found = box_math.decode(targets.deltas[positive], ANCHORS[positive], VARIANCES)
    expected = truth.boxes[targets.labels[positive] - 1]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.isfinite(targets.deltas).all()
