"""PASCAL VOC's average precision since 2010: the area under the whole precision-recall curve."""

from __future__ import annotations

import numpy as np

from .curves import rank
from .matches import Matches


def area_precision(matches: Matches, label: int, iou_index: int = 0) -> float:
    """Return the area under the curve of one class, 0 to 1; nan where it has no object.

    The precision at a recall is the highest at that recall or beyond. COCO reads the same curve
    off at 101 recalls; on few objects the two are some thousandths apart.
    Source: the VOC 2012 development kit, section 3.4.1.
    """
    ranking = rank(matches, label, iou_index)
    objects = int(ranking.objects.sum())
    if not objects:
        return float("nan")
    hits = np.arange(1, len(ranking.hits) + 1)
    precision = hits / (hits + ranking.starts)
    best = np.maximum.accumulate(precision[::-1])
    return float(best.sum() / objects)
