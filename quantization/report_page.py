"""The accuracy-drop report as one self-contained HTML page."""

from __future__ import annotations

import math
from pathlib import Path

import jinja2

from ..runtime.files import write_text
from .report import Report

FILE_NAME = "report.html"
TEMPLATE = Path(__file__).with_name("report.html.j2")


def save_page(report: Report, folder: Path) -> Path:
    """Write `report.html`: styles inline, no script, nothing fetched."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"ap": _ap, "drop": _drop, "number": _number, "mebibytes": _mebibytes}
    page = environment.get_template(TEMPLATE.name).render(
        report=report, verdict=verdict(report), scale=_scale(report)
    )
    return write_text(folder / FILE_NAME, page)


def verdict(report: Report) -> str:
    """Return the sentence that says what INT8 on the HTP costs."""
    row = report.row("int8_htp")
    if row.drop_ap50 is None or math.isnan(row.drop_ap50):
        return "No object of any class among these images: nothing to score."
    points = abs(row.drop_ap50)
    change = "loses" if row.drop_ap50 > 0 else "gains"
    return (
        f"INT8 on the emulated HTP (v{report.arch}) {change} {points:.2f} points of AP@0.5 "
        f"against float, on {report.images} images."
    )


def _scale(report: Report) -> float:
    """Return the AP at which the bars begin, so that small drops can be seen."""
    known = [v for row in report.rows for v in row.per_class_ap50.values() if not math.isnan(v)]
    return max(0.0, math.floor(min(known, default=0.0) * 10 - 1) / 10)


def _ap(value: float) -> str:
    return "no object" if math.isnan(value) else f"{value:.4f}"


def _drop(value: float | None) -> str:
    if value is None:
        return "reference"
    return "not known" if math.isnan(value) else f"{value:+.2f}"


def _number(value: int) -> str:
    return f"{value:,}"


def _mebibytes(value: int) -> str:
    return f"{value / 2**20:.2f} MiB"
