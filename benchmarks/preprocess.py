"""What preprocessing costs beside OpenCV's own resize and colour conversion."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from ..runtime.contract import InputSpec
from ..runtime.images import prepare

ALLOWED_RATIO = 1.15
WARM_UP = 20


@dataclass(frozen=True, kw_only=True)
class PreprocessCost:
    """Preprocessing of one image size, in milliseconds of one thread, medians of `rounds`.

    bare_ms: `cv2.resize` and `cv2.cvtColor` alone. ratio: the median over the rounds of what
    preprocessing took as a multiple of the bare calls beside it, so that a slow moment of the
    machine counts for both.
    """

    image: tuple[int, int]
    input: tuple[int, int]
    fit: str
    rounds: int
    preprocess_ms: float
    bare_ms: float
    ratio: float


def measure(
    *,
    image: tuple[int, int] = (1280, 720),
    spec: InputSpec | None = None,
    rounds: int = 500,
) -> PreprocessCost:
    """Measure preprocessing against the bare OpenCV calls, taking turns.

    image: (width, height) of a BGR image of noise. spec: the network's input; 300 x 300 RGB,
    stretched, where None. OpenCV runs on one thread meanwhile.
    """
    spec = spec or InputSpec(width=300, height=300)
    pixels = np.random.default_rng(0).integers(0, 256, (image[1], image[0], 3)).astype(np.uint8)
    size = (spec.width, spec.height)

    def bare() -> None:
        cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2RGB)

    def ours() -> None:
        prepare(pixels, spec)

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        pairs = []
        for turn in range(WARM_UP + rounds):
            # Whoever goes second finds the picture in the cache.
            first, second = (bare, ours) if turn % 2 else (ours, bare)
            times = {first: _milliseconds(first), second: _milliseconds(second)}
            pairs.append((times[ours], times[bare]))
    finally:
        cv2.setNumThreads(threads)
    pairs = pairs[WARM_UP:]
    return PreprocessCost(
        image=image,
        input=size,
        fit=spec.fit,
        rounds=rounds,
        preprocess_ms=statistics.median(a for a, _ in pairs),
        bare_ms=statistics.median(b for _, b in pairs),
        ratio=statistics.median(a / b for a, b in pairs),
    )


def _milliseconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter_ns()
    work()
    return (time.perf_counter_ns() - begun) / 1e6


def describe(cost: PreprocessCost) -> str:
    """Return the measurement in two lines."""
    (width, height), (columns, rows) = cost.image, cost.input
    verdict = "within" if cost.ratio <= ALLOWED_RATIO else "over"
    return (
        f"{width}x{height} to {columns}x{rows}, {cost.fit}, one thread, p50 of {cost.rounds}: "
        f"preprocessing {cost.preprocess_ms:.4f} ms, bare resize and cvtColor {cost.bare_ms:.4f} ms"
        f"\nratio {cost.ratio:.3f}, {verdict} the allowed {ALLOWED_RATIO:g}"
    )
