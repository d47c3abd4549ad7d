"""The numbers behind the page's drawings: axes, and curves as the points of SVG lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ...evaluation.curves import RECALLS
from ...evaluation.pages.axes import Scale, polyline
from .schema import CalibrationStudy, Part, Report

STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
MOST_TICKS = 4
LEAST_SPAN = 0.4
"""Points that an axis shows at least: a drop of a hundredth must not fill the picture."""
WIDEST = 25.0
"""Points to each side that an axis shows at most; what lies beyond is cut at the edge."""
WIDTH, HEIGHT = 300.0, 200.0
"""Of the precision-recall charts, in their own units."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A horizontal axis in points of AP.

    low, high: its ends; ticks: what is written under it. `x` places a value on it.
    """

    low: float
    high: float
    ticks: list[float]

    def x(self, value: float) -> float:
        """Return where a value lies, 0 to 100; what lies beyond the ends lies on them."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(1.0, max(0.0, share)), 2)


def axis_of(values: Iterable[float]) -> Axis:
    """Return an axis that holds zero and the values, from tick to tick."""
    known = [min(WIDEST, max(-WIDEST, v)) for v in values if math.isfinite(v)]
    low, high = min([0.0, *known]), max([0.0, *known])
    missing = max(0.0, LEAST_SPAN - (high - low))
    low, high = low - missing / 2, high + missing / 2
    step = next((s for s in STEPS if (high - low) / s <= MOST_TICKS), STEPS[-1])
    first, last = math.floor(low / step - 1e-9), math.ceil(high / step + 1e-9)
    ticks = [round(step * n, 6) for n in range(first, last + 1)]
    return Axis(low=ticks[0], high=ticks[-1], ticks=ticks)


def axis_of_parts(parts: Sequence[Part]) -> Axis:
    """Return the axis that a table's drops share."""
    values = [part.drop["int8_htp"] for part in parts]
    for part in parts:
        if part.drop_interval is not None:
            values += [part.drop_interval.low, part.drop_interval.high]
    return axis_of(values)


def axis_of_report(report: Report) -> Axis:
    """Return the axis of the drops of both INT8 rows and the budget."""
    values = [report.verdict.budget]
    for row in report.rows:
        if row.drop_ap50 is not None:
            values.append(row.drop_ap50)
        if row.drop_ap50_interval is not None:
            values += [row.drop_ap50_interval.low, row.drop_ap50_interval.high]
    return axis_of(values)


def axis_of_study(study: CalibrationStudy) -> Axis:
    """Return the axis of a calibration study's drops."""
    return axis_of(drop for point in study.points for drop in point.drops)


def line(precision: Sequence[float]) -> str:
    """Return a precision-recall curve as the `points` of an SVG polyline in WIDTH x HEIGHT."""
    x = Scale(low=0.0, high=1.0, start=0.0, end=WIDTH)
    y = Scale(low=0.0, high=1.0, start=HEIGHT, end=0.0)
    return polyline(x, y, zip(RECALLS.tolist(), precision, strict=True))
