"""Which detections of one detector another one makes as well."""

from __future__ import annotations

import numpy as np
import pytest

from hexdet.evaluation.found_again import found_again
from hexdet.runtime.detections import Detections

CLASSES = ("head", "person")
Row = tuple[float, float, int]  # left side, score, label; every box is 20 x 20


def detections(rows: list[Row]) -> Detections:
    boxes = [[x, 0, x + 20, 20] for x, _, _ in rows]
    return Detections(
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        scores=np.asarray([score for _, score, _ in rows], np.float32),
        labels=np.asarray([label for _, _, label in rows], np.int64),
        classes=CLASSES,
    )


TABLE: list[tuple[list[Row], list[Row], tuple[int, int]]] = [
    ([], [], (0, 0)),
    ([(0, 0.9, 1)], [], (0, 1)),
    ([], [(0, 0.9, 1)], (0, 0)),
    ([(0, 0.9, 1)], [(0, 0.9, 1)], (1, 1)),
    ([(0, 0.59, 1)], [(0, 0.9, 1)], (0, 0)),
    ([(0, 0.9, 1)], [(0, 0.31, 1)], (1, 1)),
    ([(0, 0.9, 1)], [(0, 0.29, 1)], (0, 1)),
    ([(0, 0.9, 1)], [(0, 0.9, 2)], (0, 1)),
    ([(0, 0.9, 1)], [(6, 0.9, 1)], (1, 1)),
    ([(0, 0.9, 1)], [(7, 0.9, 1)], (0, 1)),
    ([(0, 0.9, 1), (50, 0.8, 2)], [(50, 0.8, 2), (1, 0.7, 1)], (2, 2)),
]


@pytest.mark.parametrize(("reference", "found", "expected"), TABLE)
def test_table(reference: list[Row], found: list[Row], expected: tuple[int, int]) -> None:
    pair = [detections(reference)], [detections(found)]
    assert found_again(*pair, score=0.6, least_iou=0.5) == expected
