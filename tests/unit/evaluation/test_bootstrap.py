"""Intervals: seeded, paired, and as wide as they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hexdet.datasets.record import Annotation
from hexdet.evaluation.bootstrap import (
    LEVEL,
    Resampling,
    Spread,
    average_precisions,
    mean_over_classes,
)
from hexdet.evaluation.matches import Matches
from hexdet.runtime.detections import Detections

from .conftest import CLASSES, Match

BOTH = (1, 2)


def test_without_images_nothing_is_known(match: Match) -> None:
    values = average_precisions(match([], []), BOTH, Resampling.draw(0, 10))
    spread = mean_over_classes(values)
    assert np.isnan(spread.value)
    assert spread.interval() is None


def test_the_first_column_is_every_image_once_and_each_draw_has_as_many() -> None:
    resampling = Resampling.draw(7, 20)
    assert resampling.replicates == 20
    assert (resampling.weights[:, 0] == 1).all()
    assert (resampling.weights.sum(axis=0) == 7).all()


def test_the_seed_decides() -> None:
    first, again, other = (Resampling.draw(9, 50, seed).weights for seed in (0, 0, 1))
    assert (first == again).all()
    assert not (first == other).all()


def test_identical_runs_differ_by_exactly_nothing(
    random_matches: Callable[[int], Matches],
) -> None:
    resampling = Resampling.draw(12, 100)
    one, same = (
        mean_over_classes(average_precisions(random_matches(5), BOTH, resampling)) for _ in "ab"
    )
    drop = same.drop_from(one)
    assert (drop.values == 0).all()
    interval = drop.interval()
    assert interval is not None and (interval.low, interval.high) == (0, 0)


def test_pairing_makes_the_difference_surer_than_the_two_scores(match: Match) -> None:
    random = np.random.default_rng(0)
    truths = [_row(6) for _ in range(40)]
    before, after = [], []
    for _ in truths:  # images differ much, the two runs on one image little
        good = random.random(6) < random.uniform(0.2, 1)
        before.append(_found(good))
        after.append(_found(good & (random.random(6) < 0.98)))
    resampling = Resampling.draw(40, 400)
    one, two = (
        mean_over_classes(average_precisions(match(truths, f), (1,), resampling))
        for f in (before, after)
    )
    drop, alone = two.drop_from(one).interval(), two.interval()
    assert drop is not None and alone is not None
    assert drop.high - drop.low < 0.5 * 100 * (alone.high - alone.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says(match: Match) -> None:
    """Without false alarms AP is the recall, whose expectation is known."""
    chance, covered, rounds = 0.6, 0, 120
    random = np.random.default_rng(1)
    truths = [_row(4) for _ in range(30)]
    for seed in range(rounds):
        found = [_found(random.random(4) < chance) for _ in truths]
        resampling = Resampling.draw(30, 200, seed)
        spread = mean_over_classes(average_precisions(match(truths, found), (1,), resampling))
        interval = spread.interval()
        assert interval is not None
        # 101 points of recall: the score lies up to a hundredth above the recall itself.
        covered += interval.low - 0.01 <= chance <= interval.high
    assert LEVEL - 0.08 <= covered / rounds <= 1


def test_a_class_that_was_not_drawn_is_left_out_of_the_mean() -> None:
    values = np.asarray([[[1.0, np.nan]], [[0.5, 0.5]]])  # [classes, ious, replicates]
    assert mean_over_classes(values).values.tolist() == [0.75, 0.5]


def test_a_drop_is_in_points_and_positive_where_something_was_lost() -> None:
    reference, other = Spread(values=np.asarray([0.9, 0.8])), Spread(values=np.asarray([0.8, 0.8]))
    assert other.drop_from(reference).values.tolist() == pytest.approx([10, 0])


def _row(count: int) -> Annotation:
    boxes = [(40.0 * i, 0.0, 40.0 * i + 20, 20.0) for i in range(count)]
    return Annotation(
        boxes=np.asarray(boxes, np.float32),
        labels=np.ones(count, np.int64),
        ignore=np.zeros(count, np.bool_),
    )


def _found(which: np.ndarray) -> Detections:
    truth = _row(len(which))
    return Detections(
        boxes=truth.boxes[which],
        scores=np.full(int(which.sum()), 0.9, np.float32),
        labels=truth.labels[which],
        classes=CLASSES,
    )
