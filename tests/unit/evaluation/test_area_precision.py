"""VOC's area under the curve against the development kit's own steps, written down plainly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hexdet.datasets.record import Annotation
from hexdet.evaluation.area_precision import area_precision
from hexdet.evaluation.matches import Matches
from hexdet.runtime.detections import Detections

from .conftest import CLASSES, Match, random_case


def by_the_kit(matches: Matches, label: int) -> float:
    """Return what VOCevaldet.m makes of the matches: cumulative sums, envelope, steps of recall."""
    mine = matches.label == label
    order = np.argsort(-matches.score, kind="stable")
    order = order[(mine & (matches.hit() | matches.false_alarm()))[order]]
    hits = np.cumsum(matches.hit()[order])
    alarms = np.cumsum(matches.false_alarm()[order])
    known = matches.truths
    objects = int((known.counted & (known.label == label)).sum())
    recall = np.concatenate([[0], hits / objects, [1]])
    precision = np.concatenate([[0], hits / np.maximum(hits + alarms, 1), [0]])
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    steps = np.nonzero(recall[1:] != recall[:-1])[0] + 1
    return float(((recall[steps] - recall[steps - 1]) * precision[steps]).sum())


@pytest.mark.parametrize("seed", range(8))
def test_it_is_the_kits(match: Match, seed: int) -> None:
    matches = match(*random_case(seed))
    for label in range(1, len(CLASSES) + 1):
        assert area_precision(matches, label) == pytest.approx(by_the_kit(matches, label))


def case(found: list[tuple[float, float]]) -> tuple[list[Annotation], list[Detections]]:
    """Return one image with heads at x 0 and 50, and a detection for each (x, score)."""

    def boxes(lefts: list[float]) -> np.ndarray:
        return np.asarray([[x, 0, x + 20, 20] for x in lefts], np.float32).reshape(-1, 4)

    truth = Annotation(
        boxes=boxes([0, 50]), labels=np.ones(2, np.int64), ignore=np.zeros(2, np.bool_)
    )
    detections = Detections(
        boxes=boxes([x for x, _ in found]),
        scores=np.asarray([score for _, score in found], np.float32),
        labels=np.ones(len(found), np.int64),
        classes=CLASSES,
    )
    return [truth], [detections]


TABLE = [
    ([], 0.0),
    ([(0, 0.9)], 0.5),
    ([(0, 0.9), (50, 0.8)], 1.0),
    ([(0, 0.9), (100, 0.8), (50, 0.7)], (1 + 2 / 3) / 2),
    ([(100, 0.9), (0, 0.8)], 0.5 / 2),
]


@pytest.mark.parametrize(("found", "expected"), TABLE)
def test_table(match: Match, found: list[tuple[float, float]], expected: float) -> None:
    matches = match(*case(found))
    assert area_precision(matches, 1) == pytest.approx(expected)
    assert math.isnan(area_precision(matches, 2))
