"""Several detectors on the same images: accuracy, time, memory and size, beside each other."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.record import Dataset
from ..errors import DataError, NotRunError, ToolError
from ..evaluation.average_precision import score_detections
from ..runtime.detections import Detections
from ..runtime.files import write_text
from .contestants import Contestant, open_contestant
from .pages.plots import render, scatter
from .results import Result, recorder

WARM_UP = 2
SURE = 0.5
"""Score from which a detection counts as found, whoever made it."""
MEMORY_LIMIT_S = 300.0
WORKER = "hexdet.benchmarks.compare_memory"

Step = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One detector. reason: why it was not run, empty where it was.

    ap50, ap: nan where its outputs are not known or none of its classes is the dataset's.
    detections: an image, with a score of SURE at least. Times are of whole calls, milliseconds.
    """

    name: str
    sha256: str = ""
    reason: str = ""
    images: int = 0
    ap50: float = math.nan
    ap: float = math.nan
    detections: float = math.nan
    p50_ms: float = math.nan
    p90_ms: float = math.nan
    spread_ms: float = math.nan
    memory_bytes: int | None = None
    size_bytes: int = 0


def compare(
    subjects: Sequence[str],
    dataset: Dataset,
    *,
    images: int,
    threads: int = 1,
    step: Step | None = None,
) -> list[Row]:
    """Run detectors over the first images, taking turns on each, and score what they find.

    What cannot run here has a row that says so. Raises DataError without images, and whatever makes
    a subject unusable, ArtifactError or UsageError.
    """
    count = min(images, len(dataset))
    if count < 1:
        raise DataError(f"{dataset.name} has no image to compare detectors on")
    opened: dict[str, Contestant] = {}
    refused: dict[str, str] = {}
    for subject in dict.fromkeys(subjects):
        try:
            opened[subject] = open_contestant(subject, threads)
        except NotRunError as error:
            refused[subject] = str(error)
    found: dict[str, list[Detections | None]] = {subject: [] for subject in opened}
    times: dict[str, list[float]] = {subject: [] for subject in opened}
    truths = []
    for index in range(-WARM_UP, count):
        record = dataset[max(0, index)]
        order = list(opened) if index % 2 else list(opened)[::-1]
        for subject in order:
            begun = time.perf_counter()
            detections = opened[subject].detect(record.image)
            taken = 1e3 * (time.perf_counter() - begun)
            if index >= 0:
                found[subject].append(detections)
                times[subject].append(taken)
        if index >= 0:
            truths.append(record.annotation)
            if step is not None:
                step(index + 1, count)
    rows = []
    for subject in dict.fromkeys(subjects):
        if subject in refused:
            rows.append(Row(name=subject, reason=refused[subject]))
            continue
        mapped = [_in_classes(one, dataset.classes) for one in found[subject]]
        known = [one for one in mapped if one is not None]
        ap50 = ap = per_image = math.nan
        if len(known) == count:
            accuracy = score_detections(truths, known, dataset.classes)
            sure = sum(int((one.scores >= SURE).sum()) for one in known)
            ap50, ap, per_image = accuracy.ap50, accuracy.ap, sure / count
        low, middle, high, late = np.percentile(times[subject], (25, 50, 75, 90)).tolist()
        rows.append(
            Row(
                name=opened[subject].name,
                sha256=opened[subject].sha256,
                images=count,
                p50_ms=middle,
                p90_ms=late,
                spread_ms=(high - low) / 2,
                memory_bytes=memory_increment(subject, threads),
                size_bytes=opened[subject].size_bytes,
                ap50=ap50,
                ap=ap,
                detections=per_image,
            )
        )
    return rows


def _in_classes(found: Detections | None, classes: Sequence[str]) -> Detections | None:
    """Return the detections of the dataset's classes, by name; None where it knows none of them."""
    if found is None or not set(found.classes) & set(classes):
        return None
    places = {name: place for place, name in enumerate(classes, 1)}
    table = np.asarray([0, *(places.get(name, 0) for name in found.classes)], np.int64)
    labels = table[found.labels]
    kept = labels > 0
    return Detections(
        boxes=found.boxes[kept],
        scores=found.scores[kept],
        labels=labels[kept],
        classes=tuple(classes),
    )


def memory_increment(subject: str, threads: int) -> int | None:
    """Return what a detector adds to a fresh process's resident memory at its peak, bytes.

    None where the system does not tell. Raises ToolError where the process fails.
    """
    command = [sys.executable, "-m", WORKER, subject, str(threads)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=MEMORY_LIMIT_S, check=False
        )
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"{subject} took over {MEMORY_LIMIT_S:g} s in a process") from error
    except (ValueError, IndexError):
        said = " | ".join(done.stderr.strip().splitlines()[-3:])
        raise ToolError(f"the process that measures {subject}'s memory failed: {said}") from None
    increment = answer["increment"]
    return None if increment is None else int(increment)


def save_page(rows: Sequence[Row], dataset: str, path: Path) -> Path:
    """Write the comparison as one page: table, bars, accuracy against time."""
    ran = [row for row in rows if not row.reason]
    points = [
        (row.name, row.p50_ms, row.ap50, place)
        for place, row in enumerate(rows)
        if math.isfinite(row.ap50)
    ]
    most = {
        "ms": max((row.p50_ms for row in ran), default=1.0),
        "memory": max((row.memory_bytes or 0 for row in ran), default=1) or 1,
        "size": max((row.size_bytes for row in ran), default=1) or 1,
    }
    plot = scatter("AP@0.5 against time", points, "milliseconds an image, whole call, p50", "AP")
    return write_text(
        path,
        render("compare.html.j2", rows=rows, most=most, dataset=dataset, plot=plot, sure=SURE),
    )


def results(rows: Sequence[Row]) -> list[Result]:
    """Return what is worth remembering of a comparison."""
    kept = []
    for row in rows:
        if row.reason:
            continue
        record = recorder(artifact=row.name, sha256=row.sha256, backend="CPU")
        kept.append(record("compare_call", row.p50_ms, "ms", n=row.images, spread=row.spread_ms))
        kept.append(record("compare_ap50", row.ap50, "1", n=row.images))
        kept.append(record("compare_detections", row.detections, "1", n=row.images))
        if row.memory_bytes is not None:
            kept.append(record("compare_memory_increment", row.memory_bytes, "B"))
    return kept
