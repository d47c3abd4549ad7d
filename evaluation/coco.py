"""Holding detections against annotations by pycocotools: the one matching behind every score."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ..datasets.record import Annotation
from ..runtime.detections import Detections

MAX_DETECTIONS = 200
"""Detections an image that are scored unless asked; COCO's own 100 would cut a dense crowd."""


def compare(
    truths: Sequence[Annotation],
    found: Sequence[Detections],
    classes: Sequence[str],
    max_detections: int = MAX_DETECTIONS,
) -> COCOeval:
    """Match the detections of some images with their annotations, pairwise, at IoU 0.5 to 0.95.

    Boxes marked ignore are COCO's crowd regions: neither hit, miss nor false alarm. The ids of
    annotations and detections count from 1 in the order in which they are given, image by image.
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
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, _results(truth, rows), "bbox")
        evaluation.params.maxDets = [max_detections]
        evaluation.params.areaRng = [[0.0, 1e10]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
    return evaluation


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


def _results(truth: COCO, rows: list[dict[str, Any]]) -> COCO:
    if rows:
        return truth.loadRes(rows)
    # loadRes refuses an empty list; no detection at all is a legal and very bad answer.
    empty = COCO()
    empty.dataset = {**truth.dataset, "annotations": []}
    empty.createIndex()
    return empty
