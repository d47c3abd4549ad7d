"""From values to places in a drawing: axes, even or logarithmic, and the points of SVG lines."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An axis from `low` to `high`, drawn from `start` to `end` in the drawing's units.

    log: whether equal distances are equal factors; `low` is then above zero.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Return where a value lies; what lies beyond the ends lies on them, and nan nowhere."""
        if math.isnan(value):
            return math.nan
        low, high = self._place(self.low), self._place(self.high)
        share = (self._place(min(self.high, max(self.low, value))) - low) / (high - low)
        return self.start + (self.end - self.start) * share

    def _place(self, value: float) -> float:
        return math.log10(value) if self.log else value


def polyline(x: Scale, y: Scale, points: Iterable[tuple[float, float]]) -> str:
    """Return the `points` of an SVG polyline; those that are not finite are left out."""
    return " ".join(
        f"{x.at(a):.1f},{y.at(b):.1f}" for a, b in points if math.isfinite(a) and math.isfinite(b)
    )
