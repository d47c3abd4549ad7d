"""How many of one detector's detections another one makes as well: a comparison without truth."""

from __future__ import annotations

from collections.abc import Sequence

from ..runtime.boxes import iou
from ..runtime.detections import Detections


def found_again(
    reference: Sequence[Detections],
    found: Sequence[Detections],
    *,
    score: float,
    least_iou: float,
) -> tuple[int, int]:
    """Return how many of the reference's detections were found again, and how many there are.

    reference, found: pairwise, of the same images. The reference's count from `score` up; one is
    found again where `found` has one of its class, at half that score or more, that overlaps it
    by `least_iou`. The half leaves room for scores that lie about the threshold.
    """
    matched = total = 0
    for expected, candidates in zip(reference, found, strict=True):
        sure, pool = expected.above(score), candidates.above(score / 2)
        total += len(sure)
        if len(sure) and len(pool):
            same = sure.labels[:, None] == pool.labels[None, :]
            matched += int((iou(sure.boxes, pool.boxes) * same >= least_iou).any(axis=1).sum())
    return matched, total
