"""Every graph of a bundle over the same images, once: what the report is computed from.

Each image is read and prepared once and goes through the float graph, the INT8 graph on the CPU and
the INT8 graph on the HTP. The raw outputs live as long as their image: from those of float and HTP
the two mixed results are made, scores of one and boxes of the other, by the same post-processing.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...datasets.record import Annotation, Dataset
from ...evaluation.parallel import DetectorPool, worker_count
from ...evaluation.running import scoring_thresholds
from ...recipe import Recipe
from ...runtime.backend import CpuBackend, Precision
from ...runtime.contract import DetectorContract, Thresholds
from ...runtime.detections import Detections
from ...runtime.detector import Detector
from ...runtime.htp import HtpBackend
from ...runtime.placement import Placement
from .schema import FLOAT, INT8_CPU, INT8_HTP

INT8_BOXES, INT8_SCORES = "float scores, int8 boxes", "int8 scores, float boxes"
MIXED = (INT8_BOXES, INT8_SCORES)

Outputs = Mapping[str, npt.NDArray[Any]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What every graph found on the same images.

    names, truths, placements: one an image; found: by key of GRAPHS and MIXED, one an image.
    seconds: by key of GRAPHS; backends: their names in words.
    """

    names: list[str] = field(default_factory=list)
    truths: list[Annotation] = field(default_factory=list)
    placements: list[Placement] = field(default_factory=list)
    found: dict[str, list[Detections]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    backends: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Image:
    """The same of one image."""

    name: str
    truth: Annotation
    placement: Placement
    found: dict[str, Detections]
    seconds: dict[str, float]


def measure(
    bundle: Path,
    contract: DetectorContract,
    recipe: Recipe,
    dataset: Dataset,
    *,
    limit: int | None = None,
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Measured:
    """Run the graphs of a bundle over the first `limit` images of a dataset.

    workers: emulators at once, one a core where None. Raises ArtifactError where the bundle is
    incomplete, ToolError where the emulator fails.
    """
    count = len(dataset) if limit is None else min(limit, len(dataset))
    section, thresholds = recipe.export, scoring_thresholds(contract, recipe.evaluation.score)

    def open_htp() -> Detector:
        backend = HtpBackend(
            bundle, contract, arch=section.target_arch, time_limit_s=section.time_limit_s
        )
        return Detector(contract, backend)

    with contextlib.ExitStack() as stack:
        # One thread each: the emulators have the cores.
        graphs: tuple[tuple[str, Precision], ...] = ((FLOAT, "float"), (INT8_CPU, "int8"))
        on_cpu = {
            key: stack.enter_context(
                Detector(contract, CpuBackend(bundle, contract, precision, threads=1))
            )
            for key, precision in graphs
        }
        pool = stack.enter_context(DetectorPool(open_htp, worker_count(workers, count)))
        measured = Measured(
            backends={
                **{key: detector.backend.name for key, detector in on_cpu.items()},
                INT8_HTP: pool.detectors[0].backend.name,
            }
        )

        def job(on_htp: Detector, index: int) -> _Image:
            return _run({**on_cpu, INT8_HTP: on_htp}, dataset, index, thresholds)

        for done, image in enumerate(pool.stream(job, range(count)), 1):
            _add(measured, image)
            progress(done, count)
    return measured


def _run(
    detectors: Mapping[str, Detector], dataset: Dataset, index: int, thresholds: Thresholds
) -> _Image:
    record = dataset[index]
    reference = detectors[FLOAT]
    prepared = reference.prepare(record.image)
    outputs: dict[str, Outputs] = {}
    found: dict[str, Detections] = {}
    seconds: dict[str, float] = {}
    for key, detector in detectors.items():
        start = time.monotonic()
        outputs[key] = detector.infer(prepared.pixels)
        seconds[key] = time.monotonic() - start
        found[key] = detector.finish(outputs[key], prepared.placement, thresholds)
    exact, rounded = outputs[FLOAT], _dequantized(detectors[INT8_HTP], outputs[INT8_HTP])
    for key, scores, boxes in (
        (INT8_BOXES, exact, rounded),
        (INT8_SCORES, rounded, exact),
    ):
        mixed = mix(reference.contract, scores=scores, boxes=boxes)
        found[key] = reference.finish(mixed, prepared.placement, thresholds)
    return _Image(
        name=record.name,
        truth=record.annotation,
        placement=prepared.placement,
        found=found,
        seconds=seconds,
    )


def mix(contract: DetectorContract, *, scores: Outputs, boxes: Outputs) -> dict[str, Any]:
    """Return the score outputs of one run and the others, boxes and landmarks, of another."""
    mixed = {level.scores: scores[level.scores] for level in contract.levels}
    return {name: boxes[name] for name in contract.output_shapes()} | mixed


def _dequantized(detector: Detector, outputs: Outputs) -> Outputs:
    encodings = detector.backend.encodings
    return {
        name: encodings[name].dequantize(value) if value.dtype == np.uint8 else value
        for name, value in outputs.items()
    }


def _add(measured: Measured, image: _Image) -> None:
    measured.names.append(image.name)
    measured.truths.append(image.truth)
    measured.placements.append(image.placement)
    for key, detections in image.found.items():
        measured.found.setdefault(key, []).append(detections)
    for key, seconds in image.seconds.items():
        measured.seconds[key] = measured.seconds.get(key, 0.0) + seconds
