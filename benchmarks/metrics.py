"""What scoring costs on one core, beside pycocotools, which also says whether it is right."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ..datasets.record import Annotation
from ..evaluation.coco_metrics import CocoMetrics, coco_metrics
from ..evaluation.matches import areas
from ..evaluation.matching import overlaps_of
from ..evaluation.scores import score_all
from ..runtime.detections import Detections

REQUIRED_S = 10.0
TOLERANCE = 1e-6
SEED = 0
CANVAS_PX = (640.0, 480.0)
OBJECTS = 16
"""Objects that an image has at most; half of it on average."""
IGNORED = 0.05
NEAR = 0.6
"""Share of the detections that lie near an object, where the image has one."""
SCORE_STEPS = 255
"""Scores have the steps of 8 bits, so that many are equal."""


@dataclass(frozen=True, kw_only=True)
class MetricsCost:
    """Seconds of processor time to score a seeded case. Detections in memory, nothing is read.

    coco_s: COCO's figures by hexdet, from the lists of detections; all_s: with PASCAL VOC's and the
    miss rate; reference_s: COCO's figures by pycocotools, without building its index.
    difference: the largest between any two of COCO's twelve figures.
    """

    images: int
    objects: int
    detections: int
    classes: int
    coco_s: float
    all_s: float
    reference_s: float
    difference: float
    ours: CocoMetrics
    reference: CocoMetrics

    @property
    def equal(self) -> bool:
        """Tell whether every figure is pycocotools'."""
        return self.difference <= TOLERANCE


def measure(images: int = 5000, detections: int = 20, classes: int = 1) -> MetricsCost:
    """Score a seeded case by hexdet and by pycocotools. detections: of each image."""
    names = tuple(f"class {n}" for n in range(1, classes + 1))
    truths, found = seeded_case(images, detections, names)
    start = time.process_time()
    ours = coco_metrics(overlaps_of(truths, found), names)
    between = time.process_time()
    score_all(truths, found, names)
    end = time.process_time()
    evaluation = prepare_reference(truths, found, names)
    before = time.process_time()
    reference = run_reference(evaluation)
    return MetricsCost(
        images=images,
        objects=sum(int((~t.ignore).sum()) for t in truths),
        detections=sum(len(d) for d in found),
        classes=classes,
        coco_s=between - start,
        all_s=end - between,
        reference_s=time.process_time() - before,
        difference=largest_difference(ours, reference),
        ours=ours,
        reference=reference,
    )


def largest_difference(one: CocoMetrics, other: CocoMetrics) -> float:
    """Return the largest difference of any figure; infinite where one alone is unknown."""
    pairs = zip(dataclasses.astuple(one), dataclasses.astuple(other), strict=True)
    return max(_apart(a, b) for a, b in pairs)


def _apart(a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b):
        return 0.0 if math.isnan(a) and math.isnan(b) else math.inf
    return abs(a - b)


def prepare_reference(
    truths: Sequence[Annotation], found: Sequence[Detections], classes: Sequence[str]
) -> COCOeval:
    """Return pycocotools' evaluation of some images, ready to run; ids count from 1."""
    truth = COCO()
    truth.dataset = {
        "images": [{"id": i} for i in range(1, len(truths) + 1)],
        "categories": [{"id": i, "name": name} for i, name in enumerate(classes, 1)],
        "annotations": [
            {**_place(image, box, label), **stated, "iscrowd": int(ignore)}
            for image, t in enumerate(truths, 1)
            for box, label, ignore, stated in zip(
                t.boxes, t.labels, t.ignore, _stated_areas(t), strict=True
            )
        ],
    }
    results = COCO()
    results.dataset = {
        **truth.dataset,
        "annotations": [
            {**_place(image, box, label), "score": float(score)}
            for image, d in enumerate(found, 1)
            for box, label, score in zip(d.boxes, d.labels, d.scores, strict=True)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        for side in (truth, results):
            for position, row in enumerate(side.dataset["annotations"], 1):
                row["id"] = position
            side.createIndex()
        return COCOeval(truth, results, "bbox")


def run_reference(evaluation: COCOeval) -> CocoMetrics:
    """Return pycocotools' twelve figures; where it says -1 there is no such object."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return CocoMetrics(
        **{
            field.name: math.nan if value == -1 else float(value)
            for field, value in zip(dataclasses.fields(CocoMetrics), evaluation.stats, strict=True)
        }
    )


def _place(image: int, box: npt.NDArray[np.float32], label: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(v) for v in box)
    return {
        "image_id": image,
        "category_id": int(label),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
    }


def _stated_areas(truth: Annotation) -> list[dict[str, float]]:
    """Return the area of each object as its annotation states it, nothing where it does not."""
    if truth.areas is None:
        return [{}] * len(truth)
    return [{} if math.isnan(area) else {"area": area} for area in truth.areas.tolist()]


def seeded_case(
    images: int, detections: int, classes: tuple[str, ...], seed: int = SEED
) -> tuple[list[Annotation], list[Detections]]:
    """Return images with objects of all sizes, some ignored, and shifted and false detections.

    The area of an object is not that of its box, as with COCO's masks.
    """
    random = np.random.default_rng(seed)
    truths, found = [], []
    for _ in range(images):
        truth = _objects(random, int(random.integers(0, OBJECTS + 1)), len(classes))
        truths.append(truth)
        found.append(_detections(random, truth, detections, classes))
    return truths, found


def _objects(random: np.random.Generator, count: int, classes: int) -> Annotation:
    boxes = _boxes(random, count)
    return Annotation(
        boxes=boxes,
        labels=random.integers(1, classes + 1, count),
        ignore=random.random(count) < IGNORED,
        areas=areas(boxes) * random.uniform(0.3, 1.0, count),
    )


def _detections(
    random: np.random.Generator, truth: Annotation, count: int, classes: tuple[str, ...]
) -> Detections:
    boxes, labels = _boxes(random, count), random.integers(1, len(classes) + 1, count)
    near = (random.random(count) < NEAR) & bool(len(truth))
    of = random.integers(0, max(len(truth), 1), count)[near]
    sides = np.tile(truth.boxes[of, 2:4] - truth.boxes[of, 0:2], 2)
    boxes[near] = truth.boxes[of] + sides * random.normal(0, 0.08, (len(of), 4))
    boxes[:, 2:4] = np.maximum(boxes[:, 2:4], boxes[:, 0:2] + 1)
    labels[near] = truth.labels[of]
    scores = np.where(near, random.beta(4, 2, count), random.beta(2, 4, count))
    scores = np.round(scores * SCORE_STEPS) / SCORE_STEPS
    order = np.argsort(-scores, kind="stable")
    return Detections(
        boxes=boxes[order],
        scores=scores[order].astype(np.float32),
        labels=labels[order],
        classes=classes,
    )


def _boxes(random: np.random.Generator, count: int) -> npt.NDArray[np.float32]:
    side = np.exp(random.uniform(np.log(8), np.log(240), count))
    sides = np.stack([side, side * random.uniform(0.6, 1.6, count)], axis=1)
    corner = random.uniform(0, 1, (count, 2)) * np.maximum(CANVAS_PX - sides, 0)
    return np.concatenate([corner, corner + sides], axis=1).astype(np.float32)


def describe(cost: MetricsCost) -> str:
    """Return the measurement as text."""
    names = [field.name for field in dataclasses.fields(CocoMetrics)]
    ours, reference = dataclasses.asdict(cost.ours), dataclasses.asdict(cost.reference)
    verdict = "reaches" if cost.all_s <= REQUIRED_S else "misses"
    return "\n".join(
        [
            f"{cost.images:,} images, {cost.objects:,} objects, {cost.detections:,} detections, "
            f"classes: {cost.classes}; seconds of one core",
            f"hexdet, COCO's figures     {cost.coco_s:8.2f}",
            f"pycocotools, the same      {cost.reference_s:8.2f}",
            f"hexdet, with VOC's and MR  {cost.all_s:8.2f}, {verdict} the required {REQUIRED_S:g}",
            "",
            f"{'':10}  {'hexdet':>10}  {'pycocotools':>11}",
            *(f"{name:10}  {ours[name]:10.6f}  {reference[name]:11.6f}" for name in names),
            f"largest difference {cost.difference:.1e}, "
            f"{'within' if cost.equal else 'beyond'} {TOLERANCE:g}",
        ]
    )
