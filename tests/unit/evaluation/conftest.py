"""Truths and detections by the handful, with their matches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from hexdet.datasets.record import Annotation
from hexdet.evaluation.curves import Ranking, rank
from hexdet.evaluation.matches import Matches
from hexdet.evaluation.matching import match as match_pairs
from hexdet.evaluation.matching import match_coco, overlaps_of
from hexdet.runtime.detections import Detections

Match = Callable[..., Matches]
CLASSES = ("head", "person")


def random_case(
    seed: int, images: int = 12, digits: int = 1
) -> tuple[list[Annotation], list[Detections]]:
    """Return crowded images: shifted and missing objects, false alarms, ignored boxes.

    digits: of the scores; with one, many are equal.
    """
    random = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(images):
        count = int(random.integers(0, 6))
        corner = random.uniform(0, 80, (count, 2))
        boxes = np.concatenate([corner, corner + random.uniform(8, 40, (count, 2))], 1)
        labels = random.integers(1, 3, count)
        near = random.random(count) < 0.8
        moved = boxes[near] + random.normal(0, 3, (int(near.sum()), 4))
        extra = int(random.integers(0, 5))
        start = random.uniform(0, 80, (extra, 2))
        wrong = np.concatenate([start, start + random.uniform(8, 40, (extra, 2))], 1)
        all_boxes = np.concatenate([moved, wrong]).astype(np.float32)
        all_boxes[:, 2:] = np.maximum(all_boxes[:, 2:], all_boxes[:, :2] + 1)
        scores = np.round(random.random(len(all_boxes)), digits)
        order = np.argsort(-scores, kind="stable")
        truths.append(
            Annotation(
                boxes=boxes.astype(np.float32),
                labels=labels.astype(np.int64),
                ignore=random.random(count) < 0.1,
            )
        )
        found.append(
            Detections(
                boxes=all_boxes[order],
                scores=scores[order].astype(np.float32),
                labels=np.concatenate([labels[near], random.integers(1, 3, extra)])[order].astype(
                    np.int64
                ),
                classes=CLASSES,
            )
        )
    return truths, found


def grid_case(
    seed: int, images: int = 3, crowd: int = 8
) -> tuple[list[Annotation], list[Detections]]:
    """Return scenes of whole pixels where overlaps, areas and scores are often exactly alike.

    crowd: detections of an image, about; objects are half as many. Sides lie on COCO's borders of
    area and about them, and a fifth of the objects is ignored.
    """
    random = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(images):
        count = int(random.integers(0, crowd // 2 + 1))
        boxes, labels = _on_grid(random, count), random.integers(1, 3, count)
        more = int(random.integers(crowd, crowd + 3)) if crowd else 0
        again = random.integers(0, max(count, 1), more) if count else np.zeros(0, np.int64)
        shift = random.integers(-2, 3, (len(again), 4)) * random.choice([0, 2, 4, 16])
        moved = boxes[again] + shift
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 4)
        strange = _on_grid(random, int(random.integers(0, 3)) if crowd else 0)
        all_boxes = np.concatenate([moved, strange])
        all_labels = np.concatenate([labels[again], random.integers(1, 3, len(strange))])
        scores = random.integers(0, 5, len(all_boxes)) / 4
        order = np.argsort(-scores, kind="stable")
        truths.append(
            Annotation(
                boxes=boxes.astype(np.float32), labels=labels, ignore=random.random(count) < 0.2
            )
        )
        found.append(
            Detections(
                boxes=all_boxes[order].astype(np.float32),
                scores=scores[order].astype(np.float32),
                labels=all_labels[order].astype(np.int64),
                classes=CLASSES,
            )
        )
    return truths, found


def _on_grid(random: np.random.Generator, count: int) -> np.ndarray:
    corner = 8 * random.integers(0, 6, (count, 2))
    return np.concatenate([corner, corner + random.choice([16, 32, 48, 96, 128], (count, 2))], 1)


def ranking_of(truths: list[Annotation], found: list[Detections], label: int = 1) -> Ranking:
    """Return the ranking of a class by COCO's matching."""
    return rank(match_coco(overlaps_of(truths, found)), label)


def made(
    hits: Sequence[float], alarms: Sequence[float], *, images: int = 100, objects: int = 4
) -> Ranking:
    """Return the ranking of some scores; of equal ones the hits come first."""
    counts = np.zeros(images, np.int64)
    counts[: min(images, 1)] = objects
    above = [sum(alarm > hit for alarm in alarms) for hit in sorted(hits, reverse=True)]
    return Ranking(
        objects=counts,
        hits=np.zeros(len(hits), np.int64),
        alarms=np.zeros(len(alarms), np.int64),
        starts=np.asarray(above, np.int64),
        hit_scores=np.asarray(sorted(hits, reverse=True), np.float32),
        alarm_scores=np.asarray(sorted(alarms, reverse=True), np.float32),
    )


@pytest.fixture
def match() -> Match:
    """Return a function that matches detections with truths, pairwise."""

    def run(
        truths: Sequence[Annotation], found: Sequence[Detections], maximum: int = 200
    ) -> Matches:
        return match_pairs(truths, found, maximum)

    return run


@pytest.fixture
def random_matches(match: Match) -> Callable[[int], Matches]:
    """Return a function that makes the matches of a random case."""
    return lambda seed: match(*random_case(seed))
