"""The range whose codes tell the most about the values: least Kullback-Leibler divergence."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .estimators import Range
from .histogram import Histogram

TRIES = 64
"""So many thresholds are tried, evenly spaced."""
SMALLEST = 0.2
"""The lowest threshold tried, as a share of the largest magnitude."""
UNLIKELY = 1e-4
"""What a value has at least for likelihood, in values, where its code has none."""

Floats = npt.NDArray[np.float64]


def entropy_range(histogram: Histogram, bits: int) -> Range:
    """Return the range [low, high] within -threshold to threshold that keeps the distribution.

    For every threshold the values beyond it are cut off to it, which gives the distribution P; Q
    is what is left of the values inside when all bins that share a code share their count evenly.
    The threshold with the smallest KL(P || Q) wins, of equals the largest (Migacz, "8-bit inference
    with TensorRT", GTC 2017, there for symmetric codes of the magnitude). Zero is a code of its
    own, and a ReLU gives so many that they would hide the rest: bin 0 takes the larger of its
    neighbours' counts (NVIDIA's pytorch-quantization does likewise). A histogram with fewer bins
    than codes stays whole.
    """
    edges = histogram.edges
    whole = Range(low=float(edges[0]), high=float(edges[-1]))
    counts = _without_the_zeros(histogram)
    if len(counts) <= 2**bits or not counts.any():
        return whole
    largest = max(-edges[0], edges[-1])
    best, smallest = whole, np.inf
    for share in np.linspace(1.0, SMALLEST, TRIES):
        first = int(np.searchsorted(edges, -share * largest, side="left"))
        last = int(np.searchsorted(edges, share * largest, side="right")) - 1
        if last - first < 2**bits:
            break
        divergence = _divergence(counts, first, last, 2**bits)
        if divergence < smallest:
            best, smallest = Range(low=float(edges[first]), high=float(edges[last])), divergence
    return Range(low=min(best.low, 0.0), high=max(best.high, 0.0))


def _without_the_zeros(histogram: Histogram) -> Floats:
    counts = histogram.counts.astype(np.float64)
    zero = int(np.searchsorted(histogram.edges[1:-1], 0.0, side="right"))
    beside = [counts[i] for i in (zero - 1, zero + 1) if 0 <= i < len(counts)]
    counts[zero] = min(counts[zero], max(beside, default=counts[zero]))
    return counts


def _divergence(counts: Floats, first: int, last: int, codes: int) -> float:
    """Return KL(P || Q) of the bins first to last - 1 as so many codes."""
    inside = counts[first:last]
    reference = inside.copy()
    reference[0] += counts[:first].sum()
    reference[-1] += counts[last:].sum()
    groups = np.arange(len(inside)) * codes // len(inside)
    taken = (reference > 0).astype(np.float64)  # only bins that hold values share their code's
    sums = np.bincount(groups, inside, codes)
    sharers = np.bincount(groups, taken, codes)
    shared = np.where(taken > 0, (sums / np.maximum(sharers, 1))[groups], 0.0)
    p, q = reference[taken > 0], np.maximum(shared[taken > 0], UNLIKELY)
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())
