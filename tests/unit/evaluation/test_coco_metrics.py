"""COCO's matching and its twelve figures, held against pycocotools on scenes full of ties."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import astuple, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.benchmarks.metrics import largest_difference, prepare_reference, run_reference
from hexdet.datasets.record import Annotation
from hexdet.evaluation.coco_metrics import coco_metrics
from hexdet.evaluation.matches import NOTHING
from hexdet.evaluation.matching import ALL, LARGE, MEDIUM, SMALL, match_coco, overlaps_of
from hexdet.runtime.detections import Detections

from .conftest import CLASSES, grid_case, random_case

Case = tuple[list[Annotation], list[Detections]]


def assert_equal(truths: list[Annotation], found: list[Detections]) -> None:
    ours = coco_metrics(overlaps_of(truths, found), CLASSES)
    reference = run_reference(prepare_reference(truths, found, CLASSES))
    assert largest_difference(ours, reference) <= 1e-6, (ours, reference)


@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 4), crowd=st.integers(0, 14))
@settings(deadline=None, max_examples=60)
def test_it_is_pycocotools_where_everything_is_alike(seed: int, images: int, crowd: int) -> None:
    assert_equal(*grid_case(seed, images=images, crowd=crowd))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("digits", [1, 9], ids=["equal scores", "different scores"])
def test_it_is_pycocotools_on_crowds(seed: int, digits: int) -> None:
    assert_equal(*random_case(seed, images=20, digits=digits))


@pytest.mark.parametrize("seed", range(6))
def test_the_area_is_the_annotations_where_it_states_one(seed: int) -> None:
    truths, found = grid_case(seed, images=4, crowd=12)
    random = np.random.default_rng(seed)
    borders = np.asarray([0.0, 32.0**2, 96.0**2, 1e4, np.nan])
    stated = [
        replace(t, areas=random.choice(borders, len(t)) + random.integers(-1, 2, len(t)))
        for t in truths
    ]
    assert_equal(stated, found)
    assert coco_metrics(overlaps_of(stated, found), CLASSES) != coco_metrics(
        overlaps_of(truths, found), CLASSES
    )


@pytest.mark.parametrize("seed", range(4))
def test_more_than_a_hundred_detections_are_cut(seed: int) -> None:
    truths, found = grid_case(seed, images=2, crowd=130)
    assert max(len(d) for d in found) > 100
    assert_equal(truths, found)


NOBODY = Annotation.empty()
ONE = Annotation(
    boxes=np.asarray([[0, 0, 40, 40]], np.float32),
    labels=np.ones(1, np.int64),
    ignore=np.zeros(1, np.bool_),
)
IGNORED = Annotation(boxes=ONE.boxes, labels=ONE.labels, ignore=np.ones(1, np.bool_))


def detections(*lefts: float) -> Detections:
    return Detections(
        boxes=np.asarray([[x, 0, x + 40, 40] for x in lefts], np.float32).reshape(-1, 4),
        scores=np.full(len(lefts), 0.5, np.float32),
        labels=np.ones(len(lefts), np.int64),
        classes=CLASSES,
    )


@pytest.mark.parametrize(
    ("truths", "found", "ap50"),
    [
        ([NOBODY], [detections()], math.nan),
        ([NOBODY], [detections(0)], math.nan),
        ([IGNORED], [detections(0)], math.nan),
        ([ONE], [detections()], 0.0),
        ([ONE, NOBODY], [detections(), detections(0)], 0.0),
        ([ONE, NOBODY], [detections(0), detections()], 1.0),
    ],
    ids=["nothing", "no truth", "an ignored one", "no detection", "in another image", "found"],
)
def test_the_empty_cases(truths: list[Annotation], found: list[Detections], ap50: float) -> None:
    assert_equal(truths, found)
    ours = coco_metrics(overlaps_of(truths, found), CLASSES)
    assert ours.ap50 == pytest.approx(ap50, nan_ok=True)
    assert math.isnan(ours.ap_large)


def test_without_images_everything_is_unknown() -> None:
    assert all(math.isnan(value) for value in astuple(coco_metrics(overlaps_of([], []), CLASSES)))


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_each_detection_gets_the_object_that_pycocotools_gives_it(seed: int) -> None:
    truths, found = grid_case(seed, images=3, crowd=8)
    evaluation = prepare_reference(truths, found, CLASSES)
    evaluation.params.maxDets = [1000]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
    overlaps = overlaps_of(truths, found)
    for area, bounds in zip((ALL, SMALL, MEDIUM, LARGE), evaluation.params.areaRng, strict=True):
        matches = match_coco(overlaps, area=area)
        assert (area.low, area.high) == tuple(bounds)
        for entry in evaluation.evalImgs:
            if entry is None or entry["aRng"] != bounds:
                continue
            columns = np.asarray(entry["dtIds"], np.int64) - 1
            expected = np.asarray(entry["dtMatches"], np.int64) - 1  # its ids count from 1
            assert (matches.truth_of[:, columns] == expected).all()
            assert (matches.void[:, columns] == np.asarray(entry["dtIgnore"], np.bool_)).all()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_cut_off_took_nothing_from_the_rest(seed: int) -> None:
    truths, found = random_case(seed)
    whole = match_coco(overlaps_of(truths, found))
    kept = whole.places < 2
    fewer = [_best_of_each_class(d, 2) for d in found]
    alone = match_coco(overlaps_of(truths, fewer))
    cut = whole.at_most(2)
    assert (cut.truth_of[:, kept] == alone.truth_of).all()
    assert (cut.void[:, kept] == alone.void).all()
    assert cut.void[:, ~kept].all()
    assert (alone.truth_of != NOTHING).any()


def _best_of_each_class(found: Detections, count: int) -> Detections:
    seen: dict[int, int] = {}
    keep = []
    for label in found.labels.tolist():
        keep.append(seen.get(label, 0) < count)
        seen[label] = seen.get(label, 0) + 1
    return found[np.asarray(keep, np.bool_)]
