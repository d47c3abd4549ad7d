"""Running a detector over a dataset and scoring what it finds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ..datasets.record import Annotation, Dataset
from ..runtime.detections import Detections
from ..runtime.detector import Detector
from .average_precision import Accuracy, score_detections

Progress = Callable[[int, int], None]
"""Called after every image with how many are done and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a detector found on a dataset, and its score."""

    backend: str
    accuracy: Accuracy
    detections: list[Detections]
    truths: list[Annotation]
    seconds: float


def evaluate(
    detector: Detector,
    dataset: Dataset,
    *,
    score: float,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Run the detector over the first `limit` images (all for None) and score its detections.

    score: threshold under which detections are not asked for; keep it low, AP needs the tail.
    """
    count = len(dataset) if limit is None else min(limit, len(dataset))
    found, truths = [], []
    start = time.monotonic()
    for index in range(count):
        record = dataset[index]
        found.append(detector(record.image, score=score))
        truths.append(record.annotation)
        if progress is not None:
            progress(index + 1, count)
    return Evaluation(
        backend=detector.backend.name,
        accuracy=score_detections(
            truths, found, dataset.classes, detector.contract.thresholds.max_detections
        ),
        detections=found,
        truths=truths,
        seconds=time.monotonic() - start,
    )
