"""Drawings of measurements: columns, lines over time and scattered points, as plain places."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...evaluation.pages.axes import Scale, polyline
from ...evaluation.pages.rendering import page_environment

WIDTH, HEIGHT = 600.0, 200.0
"""Of a drawing inside its axes, in its own units."""
COLOURS = 8
STEPS = (1, 2, 2.5, 5, 10)
MOST_LINES = 4
MARGIN = 0.05
"""Of a scatter's range, left free at both ends."""

Tick = tuple[float, str]


@dataclass(frozen=True, kw_only=True)
class Column:
    """A bar of a drawing and the text that explains it."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A point of a drawing, the text that explains it, and its name where one is written."""

    x: float
    y: float
    colour: int
    text: str
    name: str = ""
    left: bool = False


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What the template draws, in units from the upper left corner; ticks are (place, label)."""

    title: str
    x_label: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    columns: list[Column]
    lines: list[tuple[int, str]]
    dots: list[Dot]


def column_chart(
    title: str, values: Sequence[tuple[str, float]], x_label: str, scale: float, unit: str
) -> Drawing:
    """Return a column for each value, in their order, from zero.

    values: (what it is, number). scale, unit: what one of the axis' units is of the numbers'.
    """
    y, ticks = _from_zero(max((v / scale for _, v in values), default=0.0), unit)
    step = WIDTH / max(1, len(values))
    every = max(1, 10 * math.ceil(len(values) / 100))
    return Drawing(
        title=title,
        x_label=x_label,
        x_ticks=[(round(step * (n + 0.5), 1), f"{n + 1}") for n in range(0, len(values), every)],
        y_ticks=ticks,
        columns=[
            Column(
                x=round(step * n + 0.1 * step, 2),
                y=round(y.at(value / scale), 2),
                width=round(0.8 * step, 2),
                height=round(HEIGHT - y.at(value / scale), 2),
                text=f"{n + 1} {name}: {value / scale:,.4g} {unit}",
            )
            for n, (name, value) in enumerate(values)
        ],
        lines=[],
        dots=[],
    )


def line_chart(
    title: str, series: Sequence[tuple[str, Sequence[tuple[float, float, str]]]]
) -> Drawing:
    """Return values over time, a line for each series.

    series: (name, points), a point being (days, value, text).
    """
    points = [point for _, line in series for point in line]
    x = _around([p[0] for p in points])
    y, ticks = _between([p[1] for p in points])
    return Drawing(
        title=title,
        x_label="time",
        x_ticks=[],
        y_ticks=ticks,
        columns=[],
        lines=[
            (n % COLOURS, polyline(x, y, [(a, b) for a, b, _ in line]))
            for n, (_, line) in enumerate(series)
        ],
        dots=[
            Dot(
                x=round(x.at(a), 2), y=round(y.at(b), 2), colour=n % COLOURS, text=f"{name}: {text}"
            )
            for n, (name, line) in enumerate(series)
            for a, b, text in line
        ],
    )


def scatter(
    title: str, points: Sequence[tuple[str, float, float, int]], x_label: str, y_unit: str
) -> Drawing:
    """Return named points (name, x, y, place among the colours), both axes from zero."""
    x, x_ticks = _from_zero(max((p[1] for p in points), default=0.0), "", along=True)
    y, y_ticks = _from_zero(max((p[2] for p in points), default=0.0), y_unit)
    return Drawing(
        title=title,
        x_label=x_label,
        x_ticks=x_ticks,
        y_ticks=y_ticks,
        columns=[],
        lines=[],
        dots=[
            Dot(
                x=round(x.at(a), 2),
                y=round(y.at(b), 2),
                colour=colour % COLOURS,
                text=f"{name}: {a:.4g}, {b:.4g}",
                name=name,
                left=x.at(a) > 0.6 * WIDTH,
            )
            for name, a, b, colour in points
        ],
    )


def render(template: str, **values: Any) -> str:
    """Return a page of this folder's template; foreign texts in it are escaped."""
    environment = page_environment(Path(__file__).parent)
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["mib"] = lambda value: f"{value / 2**20:,.2f}"
    environment.filters["share"] = lambda value: _known(value, ".4f")
    environment.filters["tenths"] = lambda value: _known(value, ".1f")
    environment.globals.update(width=WIDTH, height=HEIGHT, colours=COLOURS)
    return environment.get_template(template).render(**values)


def _known(value: float, form: str) -> str:
    return "not given" if math.isnan(value) else format(value, form)


def _from_zero(most: float, unit: str, *, along: bool = False) -> tuple[Scale, list[Tick]]:
    """Return an axis from zero and its ticks, the vertical one unless `along`."""
    step = _step(most)
    count = max(1, math.ceil(most / step - 1e-9))
    start, end = (0.0, WIDTH) if along else (HEIGHT, 0.0)
    scale = Scale(low=0.0, high=step * count, start=start, end=end)
    ticks = [(round(scale.at(step * n), 2), f"{step * n:g}") for n in range(count + 1)]
    return scale, [*ticks[:-1], (ticks[-1][0], f"{ticks[-1][1]} {unit}".strip())]


def _between(values: Sequence[float]) -> tuple[Scale, list[Tick]]:
    """Return a vertical axis around values that need not be near zero."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    step = _step(high - low or abs(high) or 1.0)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)
    scale = Scale(low=step * first, high=step * last, start=HEIGHT, end=0.0)
    return scale, [
        (round(scale.at(step * n), 2), f"{step * n:,.10g}") for n in range(first, last + 1)
    ]


def _around(values: Sequence[float]) -> Scale:
    low, high = min(values, default=0.0), max(values, default=1.0)
    margin = MARGIN * (high - low) or 1.0
    return Scale(low=low - margin, high=high + margin, start=0.0, end=WIDTH)


def _step(most: float) -> float:
    """Return a round distance of which at most MOST_LINES reach `most`."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most / MOST_LINES))
    return float(next(s * power for s in STEPS if most / (s * power) <= MOST_LINES + 1e-9))
