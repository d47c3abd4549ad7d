"""Recall counts an anchor where it lies, not only by its shape, and rises with every anchor."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexdet.recipe import load_recipe
from hexdet.runtime.anchors import all_anchors
from hexdet.training.anchor_fitting import recall
from hexdet.training.anchor_fitting.recall import reach, recall_table
from hexdet.training.anchor_fitting.truths import Truths
from hexdet.training.contract import contract_of

ANCHORS = all_anchors(contract_of(load_recipe("heads")))


def boxes_of(*rows: tuple[float, ...]) -> recall.npt.NDArray[np.float32]:
    return np.asarray(rows, np.float32).reshape(-1, 4)


def truths_of(boxes: recall.npt.NDArray[np.float32], labels: list[int] | None = None) -> Truths:
    label = np.asarray(labels or [1] * len(boxes), np.int64)
    image = np.zeros(len(boxes), np.int64)
    return Truths(boxes=boxes, labels=label, image=image, images=1, ignored=0)


@pytest.mark.parametrize(
    ("boxes", "best", "count"),
    [
        (boxes_of(), [], []),
        (boxes_of((0, 0, 20, 20)), [1.0], [1]),
        (boxes_of((5, 0, 25, 20)), [0.6], [1]),  # by its shape alone it would be 1
        (boxes_of((20, 0, 40, 20)), [1 / 3], [0]),
        (boxes_of((200, 200, 220, 220), (30, 0, 50, 20)), [0, 1.0], [0, 1]),
    ],
    ids=["none", "on an anchor", "beside it", "between two", "far away"],
)
def test_an_object_is_reached_by_an_anchor_at_its_place(
    boxes: recall.npt.NDArray[np.float32], best: list[float], count: list[int]
) -> None:
    anchors = np.asarray([(10, 10, 20, 20), (40, 10, 20, 20)], np.float32)
    found = reach(boxes, anchors, 0.5)
    np.testing.assert_allclose(found.best_iou, best, rtol=1e-6)
    assert found.anchors.tolist() == count
    assert found.reached.tolist() == [n > 0 for n in count]


def test_the_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    corner = rng.uniform(0, 250, (30, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 50, (30, 2))], 1).astype(np.float32)
    whole = reach(boxes, ANCHORS, 0.5)
    monkeypatch.setattr(recall, "PAIRS_AT_ONCE", 7 * len(ANCHORS) + 5)
    parts = reach(boxes, ANCHORS, 0.5)
    np.testing.assert_array_equal(whole.best_iou, parts.best_iou)
    np.testing.assert_array_equal(whole.anchors, parts.anchors)


corners = st.tuples(st.floats(0, 200, width=32), st.floats(0, 200, width=32))
some_boxes = st.lists(
    st.tuples(corners, st.floats(4, 90, width=32), st.floats(4, 90, width=32)), max_size=8
).map(lambda v: boxes_of(*((x, y, x + w, y + h) for (x, y), w, h in v)))
some_anchors = st.lists(st.tuples(*[st.floats(8, 200, width=32)] * 4), min_size=1, max_size=8).map(
    lambda v: boxes_of(*v)
)


@given(boxes=some_boxes, anchors=some_anchors, more=some_anchors, iou=st.floats(0.1, 0.9))
def test_recall_never_falls_when_an_anchor_is_added(
    boxes: recall.npt.NDArray[np.float32],
    anchors: recall.npt.NDArray[np.float32],
    more: recall.npt.NDArray[np.float32],
    iou: float,
) -> None:
    before, after = reach(boxes, anchors, iou), reach(boxes, np.concatenate([anchors, more]), iou)
    assert (after.reached >= before.reached).all()
    assert (after.best_iou >= before.best_iou).all()
    assert (after.anchors >= before.anchors).all()


def test_the_table_is_by_size_and_by_class() -> None:
    boxes = boxes_of((0, 0, 8, 8), (0, 0, 16, 16), (0, 0, 15, 70), (50, 50, 250, 250))
    truths = truths_of(boxes, [1, 1, 2, 2])
    found = reach(boxes, ANCHORS, 0.5)
    rows = {row.name: row for row in recall_table(truths, found, ("cat", "dog", "cow"))}
    assert {name: row.objects for name, row in rows.items()} == {
        "all": 4,
        "under 16 px": 1,
        "16-32 px": 1,
        "32-64 px": 1,
        "64-128 px": 0,
        "128 px and more": 1,
        "cat": 2,
        "dog": 2,
        "cow": 0,
    }
    assert math.isnan(rows["cow"].recall) and math.isnan(rows["64-128 px"].mean_best_iou)
    assert rows["all"].recall == pytest.approx(found.reached.mean())
    assert rows["cat"].anchors_per_object == pytest.approx(found.anchors[:2].mean())


def test_a_single_class_has_no_row_of_its_own() -> None:
    truths = truths_of(boxes_of((0, 0, 20, 20)))
    names = [row.name for row in recall_table(truths, reach(truths.boxes, ANCHORS, 0.5), ("head",))]
    assert "head" not in names
