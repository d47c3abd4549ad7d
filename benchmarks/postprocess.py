"""What post-processing costs on codes, beside the ways that compute everything, on one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..datasets.record import Dataset
from ..runtime.activation import activate
from ..runtime.anchors import all_anchors
from ..runtime.boxes import clip, decode
from ..runtime.contract import DetectorContract, Thresholds
from ..runtime.detections import Detections
from ..runtime.placement import Placement
from ..runtime.plain_postprocess import dequantize, gather, plain_postprocess
from ..runtime.postprocess import Postprocessor
from .postprocess_cases import Case, Sample, on_ssd512, record

Float = npt.NDArray[np.float32]
Run = Callable[[Placement], Detections]

CODES, FLOATS, PLAIN, OPENCV, OPENCV_ALL = "codes", "floats", "plain", "opencv", "opencv all"
ROUTES = {
    CODES: "this runtime, on uint8 codes",
    FLOATS: "this runtime, on float32 outputs",
    PLAIN: "dequantize all, softmax, decode all, NMS in numpy",
    OPENCV: "dequantize all, softmax, decode all, cv2.dnn.NMSBoxes of the candidates",
    OPENCV_ALL: "the same, all boxes given to NMSBoxes with the threshold; of one class only",
}
TOLERANCE = 1e-4
"""Largest difference from the plain reading that is none: pixels of a box, and of a score."""
BURST = 10
"""Calls of a route before the next has its turn."""
LARGE_IMAGES = 4
"""Images of the synthetic cases, whose slow routes take tens of milliseconds."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long one image takes, in milliseconds.

    first_ms: the median of the calls that come first in a turn: the caches are another route's.
    """

    p50_ms: float
    p99_ms: float
    first_ms: float


@dataclass(frozen=True, kw_only=True)
class PostprocessCost:
    """One network with thresholds that let about `wanted` candidates of every image through.

    candidates: the fewest and the most of an image that really passed. routes: see ROUTES.
    mismatches: detections of CODES and FLOATS that differ from PLAIN, of `compared`.
    """

    name: str
    synthetic: bool
    anchors: int
    classes: int
    wanted: int
    candidates: tuple[int, int]
    detections: float
    images: int
    rounds: int
    routes: Mapping[str, Timing]
    compared: int
    mismatches: int
    largest_difference: float

    @property
    def speedup(self) -> float:
        """Return how many times faster than OPENCV the codes are, by the medians."""
        return self.routes[OPENCV].p50_ms / self.routes[CODES].p50_ms


def measure(
    bundle: Path,
    dataset: Dataset,
    *,
    images: int = 12,
    repeat: int = 10,
    counts: Sequence[int] = (10, 50, 200),
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[PostprocessCost]:
    """Time all routes on a bundle's recorded outputs, and on the same codes on SSD512's grid.

    images: of the dataset, whose outputs are recorded. repeat: rounds over every image; in each
    the routes take turns of BURST calls. counts: of candidates. OpenCV runs on one thread then.
    Raises ArtifactError for a bundle without its integer graph.
    """
    recorded = record(bundle, dataset, images=images, progress=lambda done, total: None)
    one_class = on_ssd512(recorded, 1, images=LARGE_IMAGES)
    twenty_classes = on_ssd512(recorded, 20, images=LARGE_IMAGES)
    cases = [(recorded, n) for n in counts] + [(one_class, n) for n in counts]
    cases.append((twenty_classes, counts[len(counts) // 2]))
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        found = []
        for done, (case, wanted) in enumerate(cases, 1):
            found.append(_measure_case(case, wanted, repeat))
            progress(done, len(cases))
        return found
    finally:
        cv2.setNumThreads(threads)


def _measure_case(case: Case, wanted: int, repeat: int) -> PostprocessCost:
    contract = case.contract
    anchors = all_anchors(contract)
    postprocess = Postprocessor(contract, contract.encodings)
    times: dict[str, list[list[float]]] = {name: [] for name in ROUTES}
    candidates, detections, differences = [], [], []
    for sample in case.samples:
        thresholds, passed = _thresholds(sample, contract, wanted)
        candidates.append(passed)
        runs = _runs(sample, contract, anchors, thresholds, postprocess)
        expected = runs[PLAIN](sample.placement)
        detections.append(len(expected))
        for name in (CODES, FLOATS):
            differences.append(_differences(runs[name](sample.placement), expected))
        for turn in range(repeat):
            names = list(runs)
            # None of them always comes after the same one.
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                times[name].append(_burst(runs[name], sample.placement))
    far = np.concatenate(differences)
    return PostprocessCost(
        name=case.name,
        synthetic=case.synthetic,
        anchors=contract.anchor_count,
        classes=contract.scores_per_anchor,
        wanted=wanted,
        candidates=(min(candidates), max(candidates)),
        detections=float(np.mean(detections)),
        images=len(case.samples),
        rounds=repeat,
        routes={
            name: Timing(
                p50_ms=float(np.median(turns)),
                p99_ms=float(np.percentile(turns, 99)),
                first_ms=float(np.median([turn[0] for turn in turns])),
            )
            for name, turns in times.items()
            if turns
        },
        compared=len(far),
        mismatches=int((far > TOLERANCE).sum()),
        largest_difference=float(far.max(initial=0)),
    )


def _burst(run: Run, placement: Placement) -> list[float]:
    """Return how long each call of one turn took, in milliseconds."""
    times = []
    for _ in range(BURST):
        new = replace(placement)  # as new as that of every frame
        begun = time.perf_counter_ns()
        run(new)
        times.append((time.perf_counter_ns() - begun) / 1e6)
    return times


def _thresholds(sample: Sample, contract: DetectorContract, wanted: int) -> tuple[Thresholds, int]:
    """Return thresholds that about so many candidates reach, and how many do."""
    raw, _ = gather(dequantize(sample.outputs, contract.encodings), contract)
    scores = np.sort(activate(raw, contract), axis=None)[::-1]
    least = scores[min(wanted, len(scores)) - 1]
    return replace(Thresholds(), score=float(least)), int((scores >= least).sum())


def _runs(
    sample: Sample,
    contract: DetectorContract,
    anchors: Float,
    thresholds: Thresholds,
    postprocess: Postprocessor,
) -> dict[str, Run]:
    """Return each route as a function of the placement alone."""
    outputs, encodings = sample.outputs, contract.encodings
    floats = dequantize(outputs, encodings)
    runs: dict[str, Run] = {
        CODES: lambda placement: postprocess(outputs, placement, thresholds),
        FLOATS: lambda placement: postprocess(floats, placement, thresholds),
        PLAIN: lambda placement: plain_postprocess(
            outputs, encodings, placement, contract, thresholds, anchors
        ),
        OPENCV: lambda placement: opencv_postprocess(
            outputs, placement, contract, thresholds, anchors
        ),
    }
    if len(contract.classes) == 1:
        runs[OPENCV_ALL] = lambda placement: opencv_postprocess(
            outputs, placement, contract, thresholds, anchors, candidates_only=False
        )
    return runs


def opencv_postprocess(
    outputs: Mapping[str, npt.NDArray[Any]],
    placement: Placement,
    contract: DetectorContract,
    thresholds: Thresholds,
    anchors: Float,
    *,
    candidates_only: bool = True,
) -> Detections:
    """Return the detections of one image in the way of most examples: all boxes, then OpenCV.

    candidates_only: NMSBoxes gets what reaches the threshold, not all boxes and the threshold:
        to turn every box into OpenCV's own type costs it more than anything else.
    """
    scores, deltas = gather(dequantize(outputs, contract.encodings), contract)
    probabilities = activate(scores, contract)
    boxes = decode(deltas, anchors, contract.variances)
    boxes = clip(boxes, contract.input.width, contract.input.height)
    least = 0.0 if candidates_only else thresholds.score
    if candidates_only:
        anchor, label = np.nonzero(probabilities >= thresholds.score)
        boxes, score = boxes[anchor], probabilities[anchor, label]
    else:
        label, score = np.zeros(len(boxes), np.int64), probabilities[:, 0]
    corners = np.concatenate([boxes[:, 0:2], boxes[:, 2:4] - boxes[:, 0:2]], axis=1)
    # Its type hints want lists, which would cost it a conversion.
    nms: Any = cv2.dnn.NMSBoxes
    groups: tuple[Any, ...] = ()
    if len(contract.classes) > 1:
        nms, groups = cv2.dnn.NMSBoxesBatched, (label.astype(np.int32),)
    kept = nms(corners, score, *groups, least, thresholds.nms_iou, top_k=thresholds.top_k)
    keep = np.asarray(kept, np.int64).reshape(-1)[: thresholds.max_detections]
    return Detections(
        boxes=placement.to_image(boxes[keep]),
        scores=score[keep],
        labels=label[keep] + 1,
        classes=contract.classes,
    )


def _differences(found: Detections, expected: Detections) -> npt.NDArray[np.float64]:
    """Return how far each detection is from the one in the same place; infinite where none is."""
    count = min(len(found), len(expected))
    far = np.full(max(len(found), len(expected)), np.inf)
    a, b = found[:count], expected[:count]
    columns = [np.abs(a.boxes - b.boxes), np.abs(a.scores - b.scores)[:, None]]
    far[:count] = np.concatenate(columns, axis=1).max(axis=1)
    far[:count][a.labels != b.labels] = np.inf
    return far
