"""What a call of the detector costs beyond the network itself, on one core."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ..runtime.backend import Backend, CpuBackend
from ..runtime.contract import load_contract
from ..runtime.detector import Detector
from ..runtime.encodings import Encoding
from ..runtime.signature import Precision

ALLOWED_OVERHEAD = 0.05
WARM_UP = 10

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class CallCost:
    """A detector's call and its three steps, in milliseconds of one core, medians of `rounds`.

    overhead: the median over the calls of (call - network) / network, the network timed within the
    same call. detections: their mean number an image.
    """

    backend: str
    image: tuple[int, int]
    rounds: int
    detections: float
    prepare_ms: float
    infer_ms: float
    finish_ms: float
    call_ms: float
    overhead: float


class _Timed(Backend):
    """A backend that notes how long its last run took."""

    def __init__(self, inner: Backend) -> None:
        self.name = inner.name
        self.last_ms = 0.0
        self._inner = inner

    def run(self, pixels: Pixels) -> Mapping[str, npt.NDArray[Any]]:
        begun = time.perf_counter_ns()
        outputs = self._inner.run(pixels)
        self.last_ms = _since(begun)
        return outputs

    @property
    def encodings(self) -> Mapping[str, Encoding]:
        return self._inner.encodings


def measure(
    bundle: Path,
    *,
    images: Sequence[Pixels] = (),
    size: tuple[int, int] = (1280, 720),
    precision: Precision = "int8",
    score: float | None = None,
    rounds: int = 200,
) -> CallCost:
    """Time a bundle's detector on onnxruntime CPU, whole calls and single steps taking turns.

    images: BGR, of one size; where none is given, noise of `size` (width, height).
    score: threshold, the contract's where None. OpenCV and onnxruntime run on one thread each.
    Raises ArtifactError for a bundle that cannot be opened.
    """
    pictures = list(images) or [_noise(size)]
    contract = load_contract(bundle)
    backend = _Timed(CpuBackend(bundle, contract, precision, threads=1))
    rows = []
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with Detector(contract, backend) as detector:
            for turn in range(WARM_UP + rounds):
                image = pictures[turn % len(pictures)]
                rows.append((*_steps(detector, image, score), *_call(detector, image, score)))
    finally:
        cv2.setNumThreads(threads)
    table = np.asarray(rows[WARM_UP:])
    prepare_ms, infer_ms, finish_ms, call_ms, _, _ = np.median(table, axis=0).tolist()
    return CallCost(
        backend=backend.name,
        image=(pictures[0].shape[1], pictures[0].shape[0]),
        rounds=rounds,
        detections=float(table[:, 5].mean()),
        prepare_ms=prepare_ms,
        infer_ms=infer_ms,
        finish_ms=finish_ms,
        call_ms=call_ms,
        overhead=float(np.median(table[:, 3] / table[:, 4] - 1)),
    )


def _noise(size: tuple[int, int]) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)


def _steps(detector: Detector, image: Pixels, score: float | None) -> tuple[float, float, float]:
    """Return how long the three steps take one by one, in milliseconds."""
    thresholds = detector.thresholds(score=score)
    times = [time.perf_counter_ns()]
    prepared = detector.prepare(image)
    times.append(time.perf_counter_ns())
    outputs = detector.infer(prepared.pixels)
    times.append(time.perf_counter_ns())
    detector.finish(outputs, prepared.placement, thresholds)
    times.append(time.perf_counter_ns())
    first, second, third = (np.diff(times) / 1e6).tolist()
    return first, second, third


def _call(detector: Detector, image: Pixels, score: float | None) -> tuple[float, float, int]:
    """Return how long a call takes and the network in it, in milliseconds, and what it finds."""
    begun = time.perf_counter_ns()
    found = detector(image, score=score)
    call_ms = _since(begun)
    backend = detector.backend
    assert isinstance(backend, _Timed)
    return call_ms, backend.last_ms, len(found)


def _since(begun_ns: int) -> float:
    return (time.perf_counter_ns() - begun_ns) / 1e6


def describe(cost: CallCost) -> str:
    """Return the measurement in three lines."""
    width, height = cost.image
    verdict = "within" if cost.overhead <= ALLOWED_OVERHEAD else "over"
    return (
        f"{cost.backend}, one core, {width}x{height}, p50 of {cost.rounds} calls, "
        f"{cost.detections:.1f} detections an image\n"
        f"prepare {cost.prepare_ms:.3f} ms, network {cost.infer_ms:.3f} ms, "
        f"finish {cost.finish_ms:.3f} ms, whole call {cost.call_ms:.3f} ms\n"
        f"beyond the network {cost.overhead:.2%}, {verdict} the allowed {ALLOWED_OVERHEAD:.0%}"
    )
