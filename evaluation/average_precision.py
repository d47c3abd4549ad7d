"""Average precision of detections against annotations, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ..datasets.record import Annotation
from ..runtime.detections import Detections

MAX_DETECTIONS = 200
"""Detections an image that are scored unless asked; COCO's own 100 would cut a dense crowd."""


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
    """Score the detections of some images against their annotations, pairwise.

    Boxes marked ignore are COCO's crowd regions: neither hit, miss nor false alarm.
    """
    assert len(truths) == len(found), "one list of detections an image"
    truth = _ground_truth(truths, classes)
    rows = [
        {
            "image_id": image,
            "category_id": int(label),
            "bbox": [float(b[0]), float(b[1]), float(b[2] - b[0]), float(b[3] - b[1])],
            "score": float(score),
        }
        for image, detections in enumerate(found, 1)
        for b, score, label in zip(
            detections.boxes, detections.scores, detections.labels, strict=True
        )
    ]
    counted = sum(int((~t.ignore).sum()) for t in truths)
    per_class_ap50, per_class_ap = _per_class(truth, rows, classes, max_detections)
    return Accuracy(
        ap50=_mean(per_class_ap50),
        ap=_mean(per_class_ap),
        per_class_ap50=per_class_ap50,
        per_class_ap=per_class_ap,
        images=len(truths),
        objects=counted,
    )


def _ground_truth(truths: Sequence[Annotation], classes: Sequence[str]) -> COCO:
    """Return the annotations as pycocotools wants them; every id starts at 1."""
    rows: list[dict[str, Any]] = []
    for image, truth in enumerate(truths, 1):
        for box, label, ignore in zip(truth.boxes, truth.labels, truth.ignore, strict=True):
            width, height = float(box[2] - box[0]), float(box[3] - box[1])
            rows.append(
                {
                    "id": len(rows) + 1,
                    "image_id": image,
                    "category_id": int(label),
                    "bbox": [float(box[0]), float(box[1]), width, height],
                    "area": width * height,
                    "iscrowd": int(ignore),
                }
            )
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i} for i in range(1, len(truths) + 1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes, 1)],
        "annotations": rows,
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _per_class(
    truth: COCO, rows: list[dict[str, Any]], classes: Sequence[str], max_detections: int
) -> tuple[dict[str, float], dict[str, float]]:
    """Return AP at 0.5 and AP over 0.5 to 0.95 of every class, nan without objects."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, _results(truth, rows), "bbox")
        evaluation.params.maxDets = [max_detections]
        evaluation.params.areaRng = [[0.0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, :, 0, 0]  # [iou, recall, class]
    at_half: dict[str, float] = {}
    over_all: dict[str, float] = {}
    for index, name in enumerate(classes):
        values = precision[:, :, index]
        known = bool((values > -1).all())
        at_half[name] = float(values[0].mean()) if known else float("nan")
        over_all[name] = float(values.mean()) if known else float("nan")
    return at_half, over_all


def _results(truth: COCO, rows: list[dict[str, Any]]) -> COCO:
    if rows:
        return truth.loadRes(rows)
    # loadRes refuses an empty list; no detection at all is a legal and very bad answer.
    empty = COCO()
    empty.dataset = {**truth.dataset, "annotations": []}
    empty.createIndex()
    return empty


def _mean(values: dict[str, float]) -> float:
    known = [v for v in values.values() if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")
