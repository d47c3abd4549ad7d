"""From a histogram to a range: how much of the tails to give up for finer codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .histogram import Histogram

STEPS = 128
"""So many places are tried for either end of a range."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """The values of a tensor that get codes of their own: the rest is cut off. Contains 0."""

    low: float
    high: float


def percentile_range(histogram: Histogram, percentile: float) -> Range:
    """Return the range that leaves (100 - percentile) / 2 percent of the values out on each side.

    The ends are the edges of bins, so that no more than that is left out; zero always belongs to
    the range. 100 gives all of the histogram.
    """
    edges, total = histogram.edges, int(histogram.counts.sum())
    outside = total * (100 - percentile) / 200
    below = np.concatenate([[0], np.cumsum(histogram.counts)])  # values under each edge
    low = edges[np.flatnonzero(below <= outside)[-1]]
    high = edges[np.flatnonzero(total - below <= outside)[0]]
    if percentile >= 100 or not total:
        low, high = edges[0], edges[-1]
    return Range(low=min(float(low), 0.0), high=max(float(high), 0.0))


def mse_range(histogram: Histogram, bits: int) -> Range:
    """Return the range with the smallest mean squared error of codes of so many bits.

    The error is that of rounding, step**2 / 12 for each value inside (none for zero, which is a
    code), and the squared distance to the range for each value outside. Both ends are tried at
    STEPS places each, from 0 to the end of the histogram, with one another.
    """
    edges, centres = histogram.edges, histogram.centres
    counts = histogram.counts.astype(np.float64)
    tries = np.arange(1, STEPS + 1) / STEPS
    lows = edges[0] * tries if edges[0] < 0 else np.zeros(1)
    highs = edges[-1] * tries if edges[-1] > 0 else np.zeros(1)
    zero = int(np.searchsorted(edges[1:-1], 0.0, side="right"))
    rounded = counts.copy()
    rounded[zero] = 0.0
    above = np.concatenate([[0.0], np.cumsum(rounded)])
    inside = _at(above, centres, highs)[None, :] - _at(above, centres, lows)[:, None]
    steps = (highs[None, :] - lows[:, None]) / (2**bits - 1)
    cut_low = _beyond(-centres[::-1], counts[::-1], -lows)
    cut_high = _beyond(centres, counts, highs)
    error = inside * steps**2 / 12 + cut_low[:, None] + cut_high[None, :]
    # Of equal errors the widest range: argmin takes the first, the tries run from narrow to wide.
    i, j = np.unravel_index(error.size - 1 - int(error[::-1, ::-1].argmin()), error.shape)
    return Range(low=float(lows[i]), high=float(highs[j]))


def _at(
    sums: npt.NDArray[np.float64], centres: npt.NDArray[np.float64], limits: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the sum over the bins whose centre is not above each limit."""
    return np.asarray(sums[np.searchsorted(centres, limits, side="right")])


def _beyond(
    centres: npt.NDArray[np.float64],
    counts: npt.NDArray[np.float64],
    limits: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return the sum of counts * (centre - limit)**2 over the bins above each limit."""
    moments = [
        np.concatenate([[0.0], np.cumsum((counts * centres**power)[::-1])])[::-1]
        for power in range(3)
    ]
    first = np.searchsorted(centres, limits, side="right")
    number, total, squares = (moment[first] for moment in moments)
    return np.asarray(np.maximum(squares - 2 * limits * total + limits**2 * number, 0.0))
