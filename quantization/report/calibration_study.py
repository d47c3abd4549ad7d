"""The drop against the number of calibration images, and how far it spreads over the seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ...datasets.record import Dataset
from ...evaluation.running import evaluate
from ...runtime.detector import Detector
from .schema import CalibrationStudy, StudyPoint

COUNTS = (4, 16, 64, 256)
SEEDS = (0, 1, 2, 3, 4)
IMAGES = 72
"""Test images a point is measured on, at most."""

Requantize = Callable[[int, int], Path]
"""Given how many calibration images and the seed that chooses them, quantize the same float graph
into a folder that then holds `detector.json` and `int8.onnx`, and return the folder. It may be
used again for the next call."""
Progress = Callable[[int, int], None]


def study_calibration(
    bundle: Path,
    dataset: Dataset,
    requantize: Requantize,
    *,
    score: float,
    available: int,
    counts: Sequence[int] = COUNTS,
    seeds: Sequence[int] = SEEDS,
    limit: int | None = None,
    progress: Progress = lambda done, total: None,
) -> CalibrationStudy:
    """Quantize a bundle's float graph again and again and score it on onnxruntime's CPU provider.

    available: images there are to calibrate with; larger counts are left out. limit: test images,
    IMAGES at most. progress is told after every graph. Raises what `requantize` raises.
    """
    images = min(IMAGES, len(dataset)) if limit is None else min(limit, IMAGES, len(dataset))
    possible = [count for count in counts if count <= available]
    with Detector.load(bundle, backend="cpu", precision="float") as detector:
        reference = evaluate(detector, dataset, score=score, limit=images).accuracy
    done, points = 0, []
    for count in possible:
        drops = []
        for seed in seeds:
            folder = requantize(count, seed)
            with Detector.load(folder, backend="cpu", precision="int8") as detector:
                found = evaluate(detector, dataset, score=score, limit=images).accuracy
            drops.append(100 * (reference.ap50 - found.ap50))
            done += 1
            progress(done, len(possible) * len(seeds))
        points.append(StudyPoint(count=count, seeds=list(seeds), drops=drops))
    return CalibrationStudy(images=images, points=points)
