"""The numbers behind the page's drawings: bars on an axis, stacked by class."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..pages.axes import Scale
from .schema import Histogram

WIDTH, HEIGHT = 420.0, 190.0
"""Of a histogram, in its own units."""
GAP = 1.0
STEPS = (1, 2, 2.5, 5)
MOST_LINES = 4


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A rectangle of a histogram, and what it counts.

    key: place of its class among those drawn.
    """

    x: float
    y: float
    width: float
    height: float
    key: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A value on the horizontal axis, and what is written there."""

    x: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A histogram as the template draws it; lines: counts to read the bars by, as (y, text)."""

    bars: list[Bar]
    ticks: list[Mark]
    lines: list[tuple[float, str]]
    marks: list[Mark]


def chart(
    histogram: Histogram,
    ticks: Sequence[tuple[float, str]],
    *,
    log: bool,
    marks: Sequence[tuple[float, str]] = (),
) -> Chart:
    """Return a histogram's bars, one on top of the other where several classes share a bin.

    ticks, marks: values of the axis with their texts, those of the marks always in the drawing.
    Beyond the histogram's borders they are left out.
    """
    edges = histogram.edges
    first, last = _shown(histogram, [value for value, _ in marks])
    x = Scale(low=edges[first], high=edges[last], start=0.0, end=WIDTH, log=log)
    totals = [sum(counts) for counts in zip(*histogram.counts.values(), strict=True)]
    step = _step(max(totals, default=0))
    most = max(1, math.ceil(max(totals, default=0) / step)) * step
    bars = []
    for place in range(first, last):
        left, right = x.at(edges[place]), x.at(edges[place + 1])
        base = HEIGHT
        for key, (name, counts) in enumerate(histogram.counts.items()):
            if not counts[place]:
                continue
            height = HEIGHT * counts[place] / most
            base -= height
            text = f"{edges[place]:g} to {edges[place + 1]:g}: {counts[place]:,}"
            bars.append(
                Bar(
                    x=round(left + GAP / 2, 2),
                    y=round(base, 2),
                    width=round(max(0.5, right - left - GAP), 2),
                    height=round(height, 2),
                    key=key,
                    text=text if len(histogram.counts) == 1 else f"{name}, {text}",
                )
            )
    count = round(most / step)
    return Chart(
        bars=bars,
        ticks=_placed(ticks, x),
        lines=[(HEIGHT * (1 - n / count), f"{step * n:,.0f}") for n in range(count + 1)],
        marks=_placed(marks, x),
    )


def _placed(values: Sequence[tuple[float, str]], x: Scale) -> list[Mark]:
    return [Mark(x=round(x.at(v), 2), text=text) for v, text in values if x.low <= v <= x.high]


def _shown(histogram: Histogram, marks: Sequence[float]) -> tuple[int, int]:
    """Return the first and the last border of what is drawn: without empty bins at the ends.

    marks: values that are to be seen, too.
    """
    totals = [sum(counts) for counts in zip(*histogram.counts.values(), strict=True)]
    some = [place for place, total in enumerate(totals) if total]
    some += [bisect.bisect_right(histogram.edges, value) - 1 for value in marks if some]
    if not some:
        return 0, len(totals)
    return max(0, min(some) - 1), min(len(totals), max(some) + 2)


def _step(most: int) -> float:
    """Return the distance of the lines: a round number, at least 1, of which few reach `most`."""
    if most <= MOST_LINES:
        return 1.0
    power = 10 ** math.floor(math.log10(most / MOST_LINES))
    steps = [s * p for p in (power, 10 * power) for s in STEPS if (s * p) % 1 == 0]
    return float(next(step for step in steps if most / step <= MOST_LINES))
