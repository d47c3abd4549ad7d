"""The precision-recall and the miss rate curves of all classes, as drawings and as columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..runtime.files import to_json, write_text
from .average_precision import best_precision, interpolated
from .curves import Double, Ranking
from .miss_rate import FPPI_POINTS, log_average, miss_rates
from .operating_points import OperatingPoint, ThresholdCurve, shortest
from .pages.axes import Scale, polyline
from .pages.rendering import page_environment

TEMPLATE = "plot.svg.j2"
WIDTH, HEIGHT = 520, 380
"""Of the drawing inside its axes, in its own units; curves are read off at every unit."""
COLOURS = 8
"""Classes beyond these take the same colours again, dashed."""
SHOWN_CLASSES = 16
"""Classes in one drawing at most; the curves of all are in the JSON file."""
FPPI_RANGE = (0.003, 10.0)
"""The Caltech toolbox's (`dbEval.m`)."""
MISS_TICKS = (1.0, 0.8, 0.64, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
LEAST_MISS_RANGE = 0.05
NAME_LENGTH = 22
DIGITS = 6


@dataclass(frozen=True, kw_only=True)
class Line:
    """One class in a drawing: its curve, its points of reference, and its operating point."""

    name: str
    figure: str
    colour: int
    dashed: bool
    points: str
    references: list[tuple[float, float]]
    at: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Plot:
    """What the template draws; ticks are (place, label)."""

    title: str
    subtitle: str
    x_label: str
    y_label: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    lines: list[Line]
    hidden: int
    marked: str


def save_plots(
    folder: Path,
    rankings: Mapping[str, Ranking],
    points: Mapping[str, OperatingPoint],
    *,
    title: str,
) -> list[Path]:
    """Write `pr.svg`, `mr_fppi.svg` and `curves.json`, and return where.

    rankings: of each class, at IoU 0.5. points: the operating point of each, which is marked.
    """
    known = {name: ranking for name, ranking in rankings.items() if ranking.total}
    return [
        write_text(folder / "pr.svg", render(precision_plot(known, points, title))),
        write_text(folder / "mr_fppi.svg", render(miss_plot(known, points, title))),
        write_text(folder / "curves.json", to_json(columns(rankings, title))),
    ]


def render(plot: Plot) -> str:
    """Return a drawing as an SVG document that needs nothing else; names are escaped."""
    environment = page_environment(Path(__file__).parent / "pages")
    return environment.get_template(TEMPLATE).render(plot=plot, width=WIDTH, height=HEIGHT)


def precision_plot(
    rankings: Mapping[str, Ranking], points: Mapping[str, OperatingPoint], title: str
) -> Plot:
    """Draw the highest precision at each recall or beyond, whose mean is the AP it names."""
    x = Scale(low=0.0, high=1.0, start=0.0, end=WIDTH)
    y = Scale(low=0.0, high=1.0, start=HEIGHT, end=0.0)
    recalls = np.linspace(0, 1, WIDTH + 1)
    ticks = [n / 10 for n in range(0, 11, 2)]
    lines = []
    for index, name in enumerate(_shown(rankings)):
        ranking = rankings[name]
        curve = zip(recalls, best_precision(ranking, recalls), strict=True)
        point = points.get(name)
        lines.append(
            _line(
                index,
                name,
                f"AP {interpolated(ranking):.3f}",
                polyline(x, y, curve),
                at=None if point is None else (x.at(1 - point.miss_rate), y.at(point.precision)),
            )
        )
    return Plot(
        title=title,
        subtitle="precision over recall, IoU 0.5; AP is the mean at COCO's 101 recalls",
        x_label="recall",
        y_label="precision",
        x_ticks=[(x.at(v), f"{v:g}") for v in ticks],
        y_ticks=[(y.at(v), f"{v:g}") for v in ticks],
        lines=lines,
        hidden=len(rankings) - len(lines),
        marked=_marked(points),
    )


def miss_plot(
    rankings: Mapping[str, Ranking], points: Mapping[str, OperatingPoint], title: str
) -> Plot:
    """Draw the miss rate over false positives per image, both logarithmic, and the nine points."""
    shown = _shown(rankings)
    x = Scale(low=FPPI_RANGE[0], high=FPPI_RANGE[1], start=0.0, end=WIDTH, log=True)
    rates = np.geomspace(*FPPI_RANGE, WIDTH + 1)
    curves = {name: miss_rates(rankings[name], rates) for name in shown}
    lowest = min([LEAST_MISS_RANGE, *(float(c.min()) for c in curves.values())])
    bottom = next((v for v in MISS_TICKS if v <= lowest), MISS_TICKS[-1])
    y = Scale(low=bottom, high=1.0, start=HEIGHT, end=0.0, log=True)
    lines = []
    for index, name in enumerate(shown):
        ranking, point = rankings[name], points.get(name)
        at_points = zip(FPPI_POINTS, miss_rates(ranking, FPPI_POINTS), strict=True)
        lines.append(
            _line(
                index,
                name,
                f"MR\u207b\u00b2 {log_average(ranking):.3f}",
                polyline(x, y, _until(len(ranking.alarms) / ranking.images, rates, curves[name])),
                references=[(x.at(float(a)), y.at(float(b))) for a, b in at_points],
                at=None if point is None else (x.at(point.fppi), y.at(point.miss_rate)),
            )
        )
    return Plot(
        title=title,
        subtitle="miss rate over false positives per image, IoU 0.5; MR\u207b\u00b2 is the "
        "geometric mean at the nine dots",
        x_label="false positives per image",
        y_label="miss rate",
        x_ticks=[(x.at(v), f"{v:g}") for v in (0.01, 0.1, 1.0, 10.0)],
        y_ticks=[(y.at(v), f"{v:g}") for v in MISS_TICKS if v >= bottom],
        lines=lines,
        hidden=len(rankings) - len(lines),
        marked=_marked(points),
    )


def columns(rankings: Mapping[str, Ranking], title: str) -> dict[str, Any]:
    """Return what the curves are drawn from: what every score threshold does, by class."""
    return {
        "title": title,
        "iou": 0.5,
        "fppi_points": FPPI_POINTS.tolist(),
        "classes": {name: _columns(ranking) for name, ranking in rankings.items()},
    }


def _columns(ranking: Ranking) -> dict[str, Any]:
    curve = ThresholdCurve.of(ranking)
    values = {
        "recall": 1 - curve.miss_rate,
        "precision": curve.precision,
        "fppi": curve.fppi,
        "miss_rate": curve.miss_rate,
    }
    return {
        "objects": ranking.total,
        "images": ranking.images,
        "miss_rate_at_points": miss_rates(ranking, FPPI_POINTS).tolist(),
        "score": [shortest(score) for score in curve.score],
        **{name: [round(float(v), DIGITS) for v in column] for name, column in values.items()},
    }


def _shown(rankings: Mapping[str, Ranking]) -> list[str]:
    """Return the classes that are drawn: those with the most objects, in their own order."""
    chosen = sorted(rankings, key=lambda name: -rankings[name].total)[:SHOWN_CLASSES]
    return [name for name in rankings if name in chosen]


def _until(end: float, rates: Double, curve: Double) -> list[tuple[float, float]]:
    """Return a curve up to where it ends; what is read off beyond is its last value."""
    shown = rates <= max(end, rates[0])
    return list(zip(rates[shown].tolist(), curve[shown].tolist(), strict=True))


def _line(
    index: int,
    name: str,
    figure: str,
    points: str,
    *,
    at: tuple[float, float] | None,
    references: Sequence[tuple[float, float]] = (),
) -> Line:
    return Line(
        name=name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}\u2026",
        figure=figure,
        colour=index % COLOURS,
        dashed=index >= COLOURS,
        points=points,
        references=list(references),
        at=at if at is not None and all(math.isfinite(v) for v in at) else None,
    )


def _marked(points: Mapping[str, OperatingPoint]) -> str:
    scores = {point.score for point in points.values()} - {None}
    if not scores:
        return ""
    if len(scores) > 1:
        return "the operating point"
    return f"at score {scores.pop():.9g}"
