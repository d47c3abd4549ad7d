"""COCO's twelve figures: average precision and average recall, by IoU, size and detections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .average_precision import interpolated
from .curves import rank
from .matches import NOTHING, Double, Matches
from .matching import ALL, LARGE, MEDIUM, SMALL, match_coco
from .overlaps import Overlaps

MAX_DETECTIONS = 100
"""Detections of an image and class that COCO scores (pycocotools, `Params.maxDets`)."""
AT_50, AT_75 = 0, 5
"""Positions among the thresholds of IoU."""


@dataclass(frozen=True, kw_only=True)
class CocoMetrics:
    """What pycocotools' `COCOeval.summarize` prints, 0 to 1, in its order.

    ap: mean over IoU 0.5 to 0.95; ap50, ap75: at one. ar_1, ar_10, ar_100: the highest recall with
    so many detections of an image and class, mean over the IoUs. *_small, *_medium, *_large: of
    objects up to 32 x 32, up to 96 x 96 and beyond, by the area in pixels of the image that the
    annotation states (COCO's: of the mask), else the box's. All are means over the classes that
    have such an object; nan where none has. At most 100 detections.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar_1: float
    ar_10: float
    ar_100: float
    ar_small: float
    ar_medium: float
    ar_large: float


def coco_metrics(overlaps: Overlaps, classes: Sequence[str]) -> CocoMetrics:
    """Return COCO's figures; the detections are matched once for each range of areas."""
    whole, *by_size = (
        match_coco(overlaps, area=area).at_most(MAX_DETECTIONS)
        for area in (ALL, SMALL, MEDIUM, LARGE)
    )
    labels = range(1, len(classes) + 1)
    curves = _precisions(whole, labels)  # [classes, 10 IoUs]
    small, medium, large = by_size
    return CocoMetrics(
        ap=_mean(curves),
        ap50=_mean(curves[:, AT_50]),
        ap75=_mean(curves[:, AT_75]),
        ap_small=_mean(_precisions(small, labels)),
        ap_medium=_mean(_precisions(medium, labels)),
        ap_large=_mean(_precisions(large, labels)),
        ar_1=_mean(_recalls(whole.at_most(1), labels)),
        ar_10=_mean(_recalls(whole.at_most(10), labels)),
        ar_100=_mean(_recalls(whole, labels)),
        ar_small=_mean(_recalls(small, labels)),
        ar_medium=_mean(_recalls(medium, labels)),
        ar_large=_mean(_recalls(large, labels)),
    )


def _precisions(matches: Matches, labels: Sequence[int]) -> Double:
    rows = range(len(matches.ious))
    values = [[interpolated(rank(matches, label, row)) for row in rows] for label in labels]
    return np.asarray(values, np.float64).reshape(-1, len(matches.ious))


def _recalls(matches: Matches, labels: Sequence[int]) -> Double:
    """Return the share of the objects that was found, [classes, IoUs]; nan without objects."""
    hits = (matches.truth_of != NOTHING) & ~matches.void  # [IoUs, detections]
    values = []
    for label in labels:
        objects = matches.truths.objects(label)
        found = hits[:, matches.by_score(label)].sum(axis=1)
        values.append(found / objects if objects else np.full(len(hits), np.nan))
    return np.asarray(values, np.float64).reshape(-1, len(matches.ious))


def _mean(values: Double) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
