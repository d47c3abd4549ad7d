"""Average precision: the ways in which COCO and PASCAL VOC read one curve, and the usual score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..datasets.record import Annotation
from ..runtime.detections import Detections
from .curves import Double, Ranking, precisions, rank
from .matches import Matches
from .matching import MAX_DETECTIONS, match

VOC07_STEPS = 10
"""VOC 2007 reads the precision at the recalls 0, 1/10 ... 10/10."""


def interpolated(ranking: Ranking) -> float:
    """Return COCO's average precision, 0 to 1; nan where there is no object.

    The mean over the 101 recalls 0, 0.01 ... 1 of the highest precision at that recall or beyond.
    Source: pycocotools, `COCOeval.accumulate`.
    """
    return float(precisions(ranking, np.ones((ranking.images, 1))).mean())


def area_under(ranking: Ranking) -> float:
    """Return PASCAL VOC's average precision since 2010, 0 to 1; nan where there is no object.

    The area under the whole curve, the precision at a recall being the highest at that recall or
    beyond. COCO's 101 recalls are some thousandths off on few objects.
    Source: the VOC 2012 development kit, section 3.4.1 and `VOCap.m`.
    """
    return float(_best(ranking).sum() / ranking.total) if ranking.total else float("nan")


def eleven_point(ranking: Ranking) -> float:
    """Return PASCAL VOC's average precision until 2009, 0 to 1; nan where there is no object.

    The mean over the eleven recalls 0, 0.1 ... 1 of the highest precision at that recall or beyond.
    Recalls are compared as whole numbers: a floating 3 * 0.1 lies above 3 / 10.
    Source: the VOC 2007 development kit, section 3.4.1 and `VOCevaldet.m`.
    """
    if not ranking.total:
        return float("nan")
    best = np.append(_best(ranking), 0.0)
    hits = np.arange(1, len(ranking.hits) + 1)
    needed = np.arange(VOC07_STEPS + 1) * ranking.total
    return float(best[np.searchsorted(hits * VOC07_STEPS, needed)].mean())


def best_precision(ranking: Ranking, recalls: Double) -> Double:
    """Return the highest precision at each recall or beyond, 0 where it is never reached."""
    best = np.append(_best(ranking), 0.0)
    reached = np.arange(1, len(ranking.hits) + 1) / max(ranking.total, 1)
    return np.asarray(best[np.searchsorted(reached, recalls)], np.float64)


def _best(ranking: Ranking) -> Double:
    """Return the highest precision at each hit or beyond it, [hits]."""
    hits = np.arange(1, len(ranking.hits) + 1)
    precision = hits / (hits + ranking.starts)
    return np.maximum.accumulate(precision[::-1])[::-1]


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Average precision over a set of images, 0 to 1, 101-point interpolation as COCO defines it.

    ap50: at IoU 0.5; ap: mean over IoU 0.5 to 0.95; both averaged over the classes that have an
    object in the set. per_class_*: by class name, nan where the set has no object of that class.
    """

    ap50: float
    ap: float
    per_class_ap50: dict[str, float]
    per_class_ap: dict[str, float]
    images: int
    objects: int


def score_detections(
    truths: Sequence[Annotation],
    found: Sequence[Detections],
    classes: Sequence[str],
    max_detections: int = MAX_DETECTIONS,
) -> Accuracy:
    """Score the detections of some images against their annotations, pairwise (see `match`)."""
    return accuracy_of(match(truths, found, max_detections), classes)


def accuracy_of(matches: Matches, classes: Sequence[str]) -> Accuracy:
    """Return the average precisions of detections that were matched by COCO's protocol."""
    curves = {
        name: [interpolated(rank(matches, label, row)) for row in range(len(matches.ious))]
        for label, name in enumerate(classes, 1)
    }
    at_half = {name: values[0] for name, values in curves.items()}
    over_all = {name: float(np.mean(values)) for name, values in curves.items()}
    return Accuracy(
        ap50=mean_of_known(at_half),
        ap=mean_of_known(over_all),
        per_class_ap50=at_half,
        per_class_ap=over_all,
        images=matches.truths.images,
        objects=int(matches.truths.counted.sum()),
    )


def mean_of_known(values: Mapping[str, float]) -> float:
    """Return the mean over the classes that have a value; nan where none has."""
    known = [v for v in values.values() if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")
