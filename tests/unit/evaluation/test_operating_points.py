"""What is found and missed at a threshold, by hand and by trying every threshold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.datasets.record import Annotation
from hexdet.evaluation.curves import Ranking
from hexdet.evaluation.operating_points import ThresholdCurve, at_fppi, at_score, together
from hexdet.runtime.detections import Detections

from .conftest import CLASSES, grid_case, made, ranking_of


def test_an_ignored_region_absorbs_every_detection_inside_it() -> None:
    truth = Annotation(
        boxes=np.asarray([[0, 0, 200, 200], [300, 0, 340, 40]], np.float32),
        labels=np.ones(2, np.int64),
        ignore=np.asarray([True, False]),
    )
    inside = [[10.0 * i, 10, 10 * i + 30, 60] for i in range(12)]
    found = Detections(
        boxes=np.asarray([*inside, [300, 0, 340, 40], [500, 0, 540, 40]], np.float32),
        scores=np.linspace(0.9, 0.3, 14).astype(np.float32),
        labels=np.ones(14, np.int64),
        classes=CLASSES,
    )
    point = at_score(ranking_of([truth], [found]), 0.0)
    assert (point.hits, point.false_alarms, point.objects) == (1, 1, 1)


@pytest.mark.parametrize(
    ("score", "hits", "alarms", "miss", "precision"),
    [
        (0.0, 3, 2, 0.25, 0.6),
        (0.5, 3, 1, 0.25, 0.75),
        (0.7, 1, 1, 0.75, 0.5),
        (0.95, 0, 0, 1, None),
    ],
)
def test_a_score_threshold_is_an_operating_point(
    score: float, hits: int, alarms: int, miss: float, precision: float | None
) -> None:
    point = at_score(made([0.9, 0.6, 0.5], [0.7, 0.4]), score)
    assert (point.score, point.hits, point.false_alarms, point.objects) == (score, hits, alarms, 4)
    assert point.miss_rate == pytest.approx(miss)
    assert point.fppi == pytest.approx(alarms / 100)
    assert point.precision == pytest.approx(
        math.nan if precision is None else precision, nan_ok=True
    )


def test_a_threshold_of_a_tenth_shows_what_scores_a_tenth() -> None:
    """In float64 the float32 nearest to 0.1 lies above 0.1, that of 0.7 below 0.7."""
    for score in (0.1, 0.7):
        assert at_score(made([score], []), score).hits == 1


@pytest.mark.parametrize(
    ("fppi", "score", "hits", "alarms"),
    [(0.0, 0.8, 1, 0), (0.005, 0.8, 1, 0), (0.01, 0.6, 2, 1), (0.02, 0.4, 3, 2), (1.0, 0.4, 3, 2)],
)
def test_a_number_of_false_positives_has_its_lowest_threshold(
    fppi: float, score: float, hits: int, alarms: int
) -> None:
    point = at_fppi(made([0.8, 0.6, 0.4], [0.7, 0.5]), fppi)
    assert point.score == pytest.approx(score)
    assert (point.hits, point.false_alarms) == (hits, alarms)
    assert point.fppi <= max(fppi, 0)


def test_equal_scores_are_shown_together_or_not_at_all() -> None:
    # At 0.02 both alarms of 0.5 would be allowed, at 0.01 none of them, nor the hit beside them.
    ranking = made([0.9, 0.5], [0.5, 0.5])
    assert at_fppi(ranking, 0.01).hits == 1
    assert at_fppi(ranking, 0.02).hits == 2


@pytest.mark.parametrize(
    "ranking", [made([], []), made([], [], images=0, objects=0), made([0.9], [0.9])]
)
def test_where_no_threshold_will_do_there_is_none(ranking: Ranking) -> None:
    point = at_fppi(ranking, 0.001)
    assert point.score is None and (point.hits, point.false_alarms) == (0, 0)


@given(seed=st.integers(0, 2**32 - 1), fppi=st.floats(0.0, 5.0))
@settings(deadline=None, max_examples=40)
def test_no_lower_threshold_keeps_the_false_positives(seed: int, fppi: float) -> None:
    ranking = ranking_of(*grid_case(seed, images=4))
    point = at_fppi(ranking, fppi)
    scores = np.unique(np.concatenate([ranking.hit_scores, ranking.alarm_scores]))
    allowed = [float(s) for s in scores if at_score(ranking, float(s)).fppi <= fppi]
    assert point.score == (min(allowed) if allowed else None)


@given(seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_the_columns_are_the_points_of_every_score(seed: int) -> None:
    ranking = ranking_of(*grid_case(seed, images=4))
    columns = ThresholdCurve.of(ranking)
    assert (np.diff(columns.score) < 0).all()
    for at, score in enumerate(columns.score.tolist()):
        point = at_score(ranking, score)
        assert (point.hits, point.false_alarms) == (columns.hits[at], columns.alarms[at])
        assert point.precision == columns.precision[at]
        assert point.fppi == columns.fppi[at]
        assert point.miss_rate == pytest.approx(columns.miss_rate[at], nan_ok=True)


def test_classes_are_added_up_by_their_counts() -> None:
    one, two = made([0.9, 0.4], [0.8]), made([0.7], [0.6, 0.5], objects=1)
    whole = together({"a": at_score(one, 0.5), "b": at_score(two, 0.5)}, images=100)
    assert (whole.score, whole.hits, whole.false_alarms, whole.objects) == (0.5, 2, 3, 5)
    assert whole.miss_rate == pytest.approx(3 / 5)
    assert whole.fppi == pytest.approx(3 / 100)
    apart = together({"a": at_score(one, 0.5), "b": at_score(two, 0.6)}, images=100)
    assert apart.score is None
    assert together({}, images=0).objects == 0


def test_a_threshold_is_told_in_few_digits_and_still_shows_what_scores_it() -> None:
    ranking = made([0.7, 0.1], [0.05])
    for fppi, score in ((0.0, 0.1), (0.01, 0.05)):
        point = at_fppi(ranking, fppi)
        assert point.score == score
        assert at_score(ranking, score) == point
