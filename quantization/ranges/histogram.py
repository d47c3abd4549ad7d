"""Histograms that grow with what they are given, the same in whatever order it comes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS_LOG2 = 12
REACH = 2**BINS_LOG2
"""No value lies so many bins from zero, the one of the largest magnitude at least half as many."""
SMALLEST_EXPONENT = -126
"""Of the normal float32 numbers."""

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How often a tensor's values fell between neighbouring edges.

    edges: float64 [n + 1], ascending; the first is the smallest value or 0, the last the largest
    or 0, so that they always hold 0. counts: int64 [n].
    """

    edges: npt.NDArray[np.float64]
    counts: Counts

    @property
    def centres(self) -> npt.NDArray[np.float64]:
        """Return the middle of every bin."""
        return np.asarray((self.edges[1:] + self.edges[:-1]) / 2)


def exponent_for(largest: float) -> int:
    """Return e such that a value of magnitude `largest` lies REACH / 2 to REACH bins from zero.

    A bin is 2**e wide: dividing by a power of two is exact, and so is joining two bins, which is
    why neither the order of the images nor the width of the first bins can be seen in the end.
    """
    return max(math.frexp(largest)[1] - BINS_LOG2, SMALLEST_EXPONENT)


class GrowingHistogram:
    """Counts of values by their bin trunc(value / 2**exponent): bin 0 is two bins wide.

    The bins become twice as wide whenever a value would lie beyond the last one.
    """

    def __init__(self, largest: float) -> None:
        """Start with the bins that suit values up to the magnitude `largest`."""
        self.exponent = exponent_for(largest)
        self._counts: Counts = np.zeros(2 * REACH + 1, np.int64)

    def exponent_of_int16(self, largest: float) -> int:
        """Return the exponent at which to bin values so that the bins fit int16.

        largest: their magnitude. It is the present one unless they are far beyond the last bin.
        """
        fits = largest < math.ldexp(2.0**15, self.exponent)
        return self.exponent if fits else exponent_for(largest)

    def add(self, bins: npt.NDArray[np.int16], exponent: int, largest: float) -> None:
        """Count values by their bins at `exponent_of_int16(largest)`.

        largest: magnitude of the values, whether or not all of them are among those counted.
        """
        reach = math.trunc(math.ldexp(largest, -exponent))
        places = bins.ravel().astype(np.intp)
        places += reach
        counts = np.bincount(places, minlength=2 * reach + 1)
        self._grow(exponent_for(largest))
        for _ in range(self.exponent - exponent):
            counts = _joined(counts)
        half = len(counts) // 2
        self._counts[REACH - half : REACH + half + 1] += counts

    def _grow(self, exponent: int) -> None:
        while self.exponent < exponent:
            joined = _joined(self._counts)
            half = len(joined) // 2
            self._counts = np.zeros(2 * REACH + 1, np.int64)
            self._counts[REACH - half : REACH + half + 1] = joined
            self.exponent += 1

    def finish(self, low: float, high: float) -> Histogram:
        """Return the histogram of values whose smallest and largest were `low` and `high`."""
        low, high = min(low, 0.0), max(high, 0.0)
        width = 2.0**self.exponent
        first, last = math.trunc(low / width), math.trunc(high / width)
        # Bin i > 0 is [i w, (i + 1) w), bin i < 0 its mirror image, bin 0 is (-w, w).
        bins = np.arange(first, last + 1)
        upper = np.where(bins < 0, bins, bins + 1)[:-1] * width
        return Histogram(
            edges=np.concatenate([[low], upper, [high]]),
            counts=self._counts[REACH + first : REACH + last + 1].copy(),
        )


def _joined(counts: Counts) -> Counts:
    """Return the counts of bins twice as wide."""
    middle = len(counts) // 2
    bins = np.arange(-middle, len(counts) - middle)
    places = np.trunc(bins / 2).astype(np.int64)
    joined = np.zeros(2 * int(places.max()) + 1, np.int64)
    np.add.at(joined, places + int(places.max()), counts)
    return joined
