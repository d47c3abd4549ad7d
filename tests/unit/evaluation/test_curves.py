"""The precision over recall is pycocotools' own, and an image that counts twice is there twice."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hexdet.evaluation.average_precision import score_detections
from hexdet.evaluation.curves import precisions, rank
from hexdet.evaluation.matches import NOTHING

from .conftest import CLASSES, Match, random_case


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("maximum", [200, 3], ids=["all", "three an image"])
def test_at_equal_weights_it_is_cocos(match: Match, seed: int, maximum: int) -> None:
    truths, found = random_case(seed)
    matches = match(truths, found, maximum)
    expected = score_detections(truths, found, CLASSES, maximum)
    once = np.ones((len(truths), 1))
    for label, name in enumerate(CLASSES, 1):
        curves = [precisions(rank(matches, label, iou), once)[0] for iou in range(10)]
        assert curves[0].mean() == pytest.approx(expected.per_class_ap50[name], abs=1e-12)
        assert np.mean(curves) == pytest.approx(expected.per_class_ap[name], abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_a_weight_is_a_number_of_copies(match: Match, seed: int) -> None:
    # Among equal scores of one image pycocotools would take copy by copy: an order, no difference.
    truths, found = random_case(seed, images=5, digits=9)
    weights = np.asarray([2, 0, 1, 3, 1])
    copies = [i for i, n in enumerate(weights) for _ in range(n)]
    repeated = score_detections([truths[i] for i in copies], [found[i] for i in copies], CLASSES)
    matches = match(truths, found)
    for label, name in enumerate(CLASSES, 1):
        curve = precisions(rank(matches, label), weights[:, None].astype(float))[0]
        assert curve.mean() == pytest.approx(repeated.per_class_ap50[name], abs=1e-12, nan_ok=True)


def test_a_weighting_without_objects_is_nan_and_the_others_are_not(match: Match) -> None:
    truths, found = random_case(0, images=4)
    weights = np.ones((4, 2))
    weights[:, 1] = 0
    curves = precisions(rank(match(truths, found), 1), weights)
    assert not np.isnan(curves[0]).any()
    assert np.isnan(curves[1]).all()


def test_no_image_at_all_is_nan(match: Match) -> None:
    curves = precisions(rank(match([], []), 1), np.ones((0, 3)))
    assert np.isnan(curves).all() and curves.shape == (3, 101)


def test_objects_that_nobody_found_are_zero(match: Match) -> None:
    truths, found = random_case(1)
    nothing = [d[:0] for d in found]
    curve = precisions(rank(match(truths, nothing), 1), np.ones((len(truths), 1)))
    assert curve.tolist() == [[0.0] * 101]


def test_a_group_sees_its_own_hits_and_false_alarms(match: Match) -> None:
    truths, found = random_case(2)
    matches = match(truths, found)
    half = np.arange(len(matches.truths.label)) % 2 == 0
    own = np.arange(len(matches.score)) % 2 == 0
    parts = [rank(matches, 1, truths=t, found=f) for t, f in ((half, own), (~half, ~own))]
    whole = rank(matches, 1)
    assert (sum(p.objects for p in parts) == whole.objects).all()
    assert sum(len(p.hits) for p in parts) == len(whole.hits)


def test_matches_name_the_object_that_was_found(match: Match) -> None:
    truths, found = random_case(3)
    matches = match(truths, found)
    hits = np.nonzero(matches.hit())[0]
    assert len(hits) and len(set(matches.truth_of[0, hits].tolist())) == len(hits)
    of = matches.truth_of[0, hits]
    assert (matches.truths.image[of] == matches.image[hits]).all()
    assert (matches.truths.label[of] == matches.label[hits]).all()
    assert matches.truths.counted[of].all()
    assert (matches.truth_of[0, matches.false_alarm()] == NOTHING).all()
    assert not math.isnan(matches.score.sum())
