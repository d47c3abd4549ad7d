"""All figures at once: what is asked for is there, and nothing else."""

from __future__ import annotations

import math

import pytest

from hexdet.cli.options import MetricChoice
from hexdet.evaluation.average_precision import score_detections
from hexdet.evaluation.scores import METRICS, Metric, score_all

from .conftest import CLASSES, random_case


def test_without_images_every_figure_is_unknown() -> None:
    scores = score_all([], [], CLASSES)
    assert scores.coco is not None and math.isnan(scores.coco.ap)
    for figure in (scores.voc07, scores.voc, scores.mr, scores.mr_crowdhuman):
        assert figure is not None and math.isnan(figure.mean)
        assert list(figure.per_class) == list(CLASSES)


@pytest.mark.parametrize("metric", METRICS)
def test_only_what_is_asked_for_is_computed(metric: Metric) -> None:
    scores = score_all(*random_case(1), CLASSES, [metric])
    known = {name for name in METRICS if getattr(scores, name) is not None}
    assert known == {metric}
    assert (scores.mr_crowdhuman is not None) == (metric == "mr")
    assert list(scores.rankings) == list(CLASSES)


def test_the_figures_are_of_the_same_detections() -> None:
    truths, found = random_case(2, images=40)
    scores = score_all(truths, found, CLASSES)
    accuracy = score_detections(truths, found, CLASSES)
    assert scores.coco is not None and scores.voc is not None and scores.voc07 is not None
    assert scores.coco.ap == pytest.approx(accuracy.ap, abs=1e-12)
    assert scores.coco.ap50 == pytest.approx(accuracy.ap50, abs=1e-12)
    assert scores.voc.mean == pytest.approx(sum(scores.voc.per_class.values()) / 2)
    # Three readings of nearly the same curve: far apart would be a wrong one.
    assert scores.voc.mean == pytest.approx(accuracy.ap50, abs=0.03)
    assert scores.voc07.mean == pytest.approx(accuracy.ap50, abs=0.06)
    assert sum(ranking.total for ranking in scores.rankings.values()) == accuracy.objects


def test_a_class_without_objects_is_not_in_the_mean() -> None:
    truths, found = random_case(3, images=20)
    scores = score_all(truths, found, (*CLASSES, "nobody"))
    assert scores.mr is not None
    assert math.isnan(scores.mr.per_class["nobody"])
    assert scores.mr.mean == pytest.approx(sum(scores.mr.per_class[name] for name in CLASSES) / 2)


def test_the_door_offers_every_metric() -> None:
    assert [choice.value for choice in MetricChoice] == list(METRICS)
