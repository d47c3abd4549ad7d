"""Running a detector, or several at once, over a dataset and scoring what they find."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

from ..datasets.record import Annotation, Dataset
from ..runtime.contract import DetectorContract, Thresholds
from ..runtime.detections import Detections
from ..runtime.detector import Detector
from .average_precision import Accuracy, score_detections
from .parallel import DetectorPool

Result = TypeVar("Result")

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
    detector: Detector | DetectorPool,
    dataset: Dataset,
    *,
    score: float,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Run the detector over the first `limit` images (all for None) and score its detections.

    detector: a pool has as many images under way as it has workers.
    score: threshold under which detections are not asked for; keep it low, AP needs the tail.
    """
    count = len(dataset) if limit is None else min(limit, len(dataset))
    first = detector.detectors[0] if isinstance(detector, DetectorPool) else detector
    thresholds = scoring_thresholds(first.contract, score)
    found, truths = [], []
    start = time.monotonic()

    def detect(worker: Detector, index: int) -> tuple[Detections, Annotation]:
        record = dataset[index]
        return worker(record.image, thresholds=thresholds), record.annotation

    for done, (detections, truth) in enumerate(stream(detector, detect, range(count)), 1):
        found.append(detections)
        truths.append(truth)
        if progress is not None:
            progress(done, count)
    return Evaluation(
        backend=first.backend.name,
        accuracy=score_detections(
            truths, found, dataset.classes, first.contract.thresholds.max_detections
        ),
        detections=found,
        truths=truths,
        seconds=time.monotonic() - start,
    )


def stream(
    detector: Detector | DetectorPool,
    job: Callable[[Detector, int], Result],
    images: Iterable[int],
) -> Iterator[Result]:
    """Yield the job's result for every image, in order, by the pool's workers if it is one."""
    if isinstance(detector, DetectorPool):
        return detector.stream(job, images)
    return (job(detector, image) for image in images)


def scoring_thresholds(contract: DetectorContract, score: float) -> Thresholds:
    """Return the detector's own post-processing with one low threshold for every class."""
    return replace(contract.thresholds, score=score, per_class={})
