"""Average precision of detections against annotations, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools.cocoeval import COCOeval

from ..datasets.record import Annotation
from ..runtime.detections import Detections
from .coco import MAX_DETECTIONS, compare

__all__ = ["MAX_DETECTIONS", "Accuracy", "accuracy_of", "score_detections"]


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
    """Score the detections of some images against their annotations, pairwise (see `compare`)."""
    return accuracy_of(compare(truths, found, classes, max_detections), classes)


def accuracy_of(evaluation: COCOeval, classes: Sequence[str]) -> Accuracy:
    """Return the average precisions of what was matched by `compare`."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 0]  # [iou, recall, class]
    at_half: dict[str, float] = {}
    over_all: dict[str, float] = {}
    for index, name in enumerate(classes):
        values = precision[:, :, index]
        known = bool((values > -1).all())
        at_half[name] = float(values[0].mean()) if known else float("nan")
        over_all[name] = float(values.mean()) if known else float("nan")
    annotations = evaluation.cocoGt.dataset["annotations"]
    return Accuracy(
        ap50=_mean(at_half),
        ap=_mean(over_all),
        per_class_ap50=at_half,
        per_class_ap=over_all,
        images=len(evaluation.cocoGt.dataset["images"]),
        objects=sum(not row["iscrowd"] for row in annotations),
    )


def _mean(values: dict[str, float]) -> float:
    known = [v for v in values.values() if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")
