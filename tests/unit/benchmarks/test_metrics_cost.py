"""The benchmark of scoring: a seeded case, both sides, and a difference that is seen."""

from __future__ import annotations

import math
from dataclasses import astuple, replace

import pytest

from hexdet.benchmarks.metrics import (
    MetricsCost,
    describe,
    largest_difference,
    measure,
    seeded_case,
)
from hexdet.evaluation.coco_metrics import CocoMetrics


@pytest.fixture(scope="module")
def cost() -> MetricsCost:
    return measure(images=20, detections=12, classes=3)


def test_no_detection_is_scored_too() -> None:
    assert measure(images=2, detections=0).equal


def test_both_sides_say_the_same(cost: MetricsCost) -> None:
    assert (cost.images, cost.detections, cost.classes) == (20, 240, 3)
    assert cost.equal and cost.difference < 1e-12
    assert 0 < cost.ours.ap < cost.ours.ap50 < 1
    assert not any(math.isnan(value) for value in astuple(cost.ours))


def test_the_case_is_seeded_and_has_equal_scores_and_ignored_objects() -> None:
    truths, found = seeded_case(20, 12, ("a",))
    again = seeded_case(20, 12, ("a",))
    assert all((a.boxes == b.boxes).all() for a, b in zip(truths, again[0], strict=True))
    scores = [float(s) for d in found for s in d.scores]
    assert len(set(scores)) < len(scores)
    assert any(t.ignore.any() for t in truths)
    assert all((d.scores[:-1] >= d.scores[1:]).all() for d in found)


def test_a_difference_is_seen(cost: MetricsCost) -> None:
    other = replace(cost.ours, ar_10=cost.ours.ar_10 + 2e-6)
    assert largest_difference(cost.ours, other) == pytest.approx(2e-6)
    unequal = replace(cost, difference=largest_difference(cost.ours, other))
    assert not unequal.equal
    assert "beyond 1e-06" in describe(unequal)
    assert "within 1e-06" in describe(cost)


def test_a_figure_that_one_side_alone_knows_is_a_difference(cost: MetricsCost) -> None:
    unknown = CocoMetrics(**dict.fromkeys(CocoMetrics.__dataclass_fields__, math.nan))
    assert largest_difference(unknown, unknown) == 0
    assert largest_difference(replace(cost.ours, ap_small=math.nan), cost.ours) == math.inf
