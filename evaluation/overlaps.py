"""How much detections and objects overlap: the pairs that every matching chooses from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .matches import Double, Found, Ints, Truths, areas

LEAST = 0.5
"""The overlap under which no protocol here makes a hit: such pairs are not kept."""
BLOCK_PAIRS = 1 << 18
"""Pairs that are computed at once: few enough to stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Overlaps:
    """Detections and objects of the same image and class that overlap by LEAST.

    detection, truth: int64 [pairs], positions in `found` and in `truths`. iou: float64 [pairs],
    intersection over union. covered: float64 [pairs], intersection over the detection's area: what
    decides on an ignored region, of which a detection may be any part. A pair is here where its
    `iou`, or that of an ignored object its `covered`, reaches LEAST.
    """

    truths: Truths
    found: Found
    detection: Ints
    truth: Ints
    iou: Double
    covered: Double

    @classmethod
    def of(cls, truths: Truths, found: Found) -> Overlaps:
        """Measure all pairs, in blocks of detections."""
        classes = 1 + max(truths.label.max(initial=0), found.label.max(initial=0))
        key = truths.image * classes + truths.label
        order = np.argsort(key, kind="stable")
        wanted = found.image * classes + found.label
        first = np.searchsorted(key[order], wanted, side="left")
        counts = np.searchsorted(key[order], wanted, side="right") - first
        parts = [_measure(truths, found, np.zeros(0, np.int64), np.zeros(0, np.int64))]
        ends = np.cumsum(counts)
        start = 0
        while start < len(counts):
            before = int(ends[start - 1]) if start else 0
            end = max(start + 1, int(np.searchsorted(ends, before + BLOCK_PAIRS, side="right")))
            size = counts[start:end]
            detection = np.repeat(np.arange(start, end), size)
            within = np.arange(len(detection)) - np.repeat(ends[start:end] - size - before, size)
            truth = order[np.repeat(first[start:end], size) + within]
            parts.append(_measure(truths, found, detection, truth))
            start = end
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return cls(
            truths=truths,
            found=found,
            detection=columns[0].astype(np.int64),
            truth=columns[1].astype(np.int64),
            iou=columns[2],
            covered=columns[3],
        )


def _measure(
    truths: Truths, found: Found, detection: Ints, truth: Ints
) -> tuple[Ints, Ints, Double, Double]:
    a, b = found.boxes[detection].astype(np.float64), truths.boxes[truth].astype(np.float64)
    sides = np.minimum(a[:, 2:4], b[:, 2:4]) - np.maximum(a[:, 0:2], b[:, 0:2])
    near = np.nonzero((sides > 0).all(axis=1))[0]
    detection, truth = detection[near], truth[near]
    common = sides[near].prod(axis=1)
    own = areas(found.boxes[detection])
    iou = common / (own + areas(truths.boxes[truth]) - common)
    covered = common / own
    enough = np.where(truths.counted[truth], iou, covered) >= LEAST
    return detection[enough], truth[enough], iou[enough], covered[enough]
