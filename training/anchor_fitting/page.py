"""What `hexdet anchors` found, as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ...evaluation.pages.rendering import page_environment
from ...runtime.files import write_text
from . import drawing
from .recall import Row
from .study import AnchorSet, AnchorStudy

FILE_NAME = "anchors.html"
TEMPLATE = "page.html.j2"


def save_page(study: AnchorStudy, folder: Path) -> Path:
    """Write `anchors.html`: styles and drawings inline, no script, nothing fetched."""
    return write_text(folder / FILE_NAME, render(study))


def render(study: AnchorStudy) -> str:
    """Return the page; every text that comes from outside is escaped."""
    environment = page_environment(Path(__file__).parent)
    environment.filters |= {"share": _share, "number": _number, "pair": _pair}
    truths = study.collected.fitted
    sets = [("before", study.before)] * (study.before is not None) + [("after", study.after)]
    every = drawing.flat([level for _, found in sets if found for level in found.levels])
    axes = drawing.size_axes(truths.sizes, every, float(max(study.input_size)))
    return environment.get_template(TEMPLATE).render(
        study=study,
        truths=truths,
        axes=axes,
        panel=drawing.PANEL,
        density=drawing.density(truths.sizes, axes),
        borders=[drawing.border(level.band[0], axes) for level in study.fits[1:]],
        panels=[_panel(name, found, axes, study.match_iou) for name, found in sets if found],
        ratio=drawing.ratio_scale(),
        ratio_bars=drawing.ratio_bars(truths.sizes),
        ratio_width=drawing.RATIO_WIDTH,
        ratio_height=drawing.RATIO_HEIGHT,
        tables=[
            (kind, _rows(study.before, study.after, kind))
            for kind in sorted(study.after.recall, key=lambda kind: kind != study.fitted_to)
        ],
    )


def _panel(
    name: str, found: AnchorSet, axes: drawing.SizeAxes, match_iou: float
) -> dict[str, object]:
    """Return one scatter: the anchors' places and outlines, and their heights / widths."""
    pairs = [pair for level in found.levels for pair in level]
    return {
        "name": name,
        "places": [(round(axes.width.at(w), 2), round(axes.height.at(h), 2)) for w, h in pairs],
        "outlines": [drawing.outline(w, h, axes, match_iou) for w, h in pairs],
        "ratios": sorted({round(drawing.ratio_scale().at(h / w), 2) for w, h in pairs}),
    }


def _rows(
    before: AnchorSet | None, after: AnchorSet, kind: str
) -> Sequence[tuple[Row | None, Row]]:
    """Return the recall rows that hold objects, old beside new."""
    old = before.recall[kind] if before is not None else [None] * len(after.recall[kind])
    return [(a, b) for a, b in zip(old, after.recall[kind], strict=True) if b.objects]


def _share(value: float) -> str:
    return "" if math.isnan(value) else f"{100 * value:.1f} %"


def _number(value: int) -> str:
    return f"{value:,}"


def _pair(pair: tuple[float, float]) -> str:
    return f"{pair[0]:g} \u00d7 {pair[1]:g}"
