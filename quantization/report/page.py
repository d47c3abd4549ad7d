"""The accuracy-drop report as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from ...datasets.record import Dataset
from ...evaluation.bootstrap import Interval
from ...evaluation.pages.rendering import page_environment
from ...runtime.files import replacing_set, write_text
from ..advice import worst_layers
from .charts import axis_of_parts, axis_of_report, axis_of_study, line
from .schema import FILE_NAME as REPORT
from .schema import FLOAT, INT8_HTP, Report, Swap
from .thumbnails import draw_thumbnails

FILE_NAME = "report.html"
TEMPLATE = "report.html.j2"
SHOWN_CURVES = 12
SHOWN_LAYERS = 15
BADGES = {
    "kept": "\u2713 within the budget",
    "not certain": "! within the budget, not certain",
    "missed": "\u2715 budget missed",
    "not measured": "? not measured",
}
SHORT = {"float": "float", "int8_cpu": "INT8 CPU", "int8_htp": "INT8 HTP"}


def save_report(report: Report, folder: Path, dataset: Dataset) -> None:
    """Write `report.json` and `report.html`; dataset: the images that were scored."""
    thumbnails = draw_thumbnails(dataset, report.flips.worst)
    with replacing_set(folder, seal=REPORT) as staged:
        report.save(staged)
        save_page(report, staged, thumbnails)


def save_page(report: Report, folder: Path, thumbnails: Sequence[str] = ()) -> Path:
    """Write `report.html`: styles and pictures inline, no script, nothing fetched.

    thumbnails: one `data:` address for each of the report's worst flips, or none at all.
    """
    return write_text(folder / FILE_NAME, render(report, thumbnails))


def render(report: Report, thumbnails: Sequence[str] = ()) -> str:
    """Return the page; every text that comes from outside is escaped."""
    environment = page_environment(Path(__file__).parent)
    environment.filters |= {
        "ap": _ap,
        "drop": _drop,
        "interval": _interval,
        "number": _number,
        "percent": _percent,
        "mebibytes": _mebibytes,
        "axis": axis_of_parts,
        "line": line,
    }
    return environment.get_template(TEMPLATE).render(
        report=report,
        thumbnails=list(thumbnails) or [""] * len(report.flips.worst),
        badge=BADGES[report.verdict.status],
        short=SHORT,
        main_axis=axis_of_report(report),
        study_axis=None
        if report.calibration_study is None
        else axis_of_study(report.calibration_study),
        blame=blame(report.swaps),
        curves=_shown_curves(report),
        layers=None if report.layers is None else worst_layers(report.layers, SHOWN_LAYERS),
    )


def blame(swaps: Sequence[Swap]) -> str:
    """Return the sentence that says whether the scores or the boxes lose the accuracy."""
    cells = {(cell.scores_from, cell.boxes_from): cell for cell in swaps}
    scores, boxes = cells[INT8_HTP, FLOAT], cells[FLOAT, INT8_HTP]
    if math.isnan(scores.drop_ap50) or math.isnan(boxes.drop_ap50):
        return "Nothing to score."
    known = (
        f"INT8 scores alone cost {_drop(scores.drop_ap50)} points of AP@0.5 and "
        f"{_drop(scores.drop_ap)} of AP@0.5:0.95, INT8 boxes alone {_drop(boxes.drop_ap50)} "
        f"and {_drop(boxes.drop_ap)}."
    )
    guilty = [
        name
        for name, cell in (("scores", scores), ("boxes", boxes))
        if cell.drop_ap50_interval is not None and cell.drop_ap50_interval.low > 0
    ]
    if not guilty:
        return f"{known} At IoU 0.5 neither loses more than chance would explain on these images."
    return f"{known} To blame: the {' and the '.join(guilty)}."


def _shown_curves(report: Report) -> list[str]:
    """Return the classes whose curves are drawn: those that changed most, in their own order."""
    known = {p.name: abs(p.drop[INT8_HTP]) for p in report.breakdown.classes if p.objects}
    chosen = sorted(known, key=lambda name: -known[name])[:SHOWN_CURVES]
    return [name for name in report.classes if name in chosen]


def _ap(value: float) -> str:
    return "no object" if math.isnan(value) else f"{value:.4f}"


def _drop(value: float | None) -> str:
    if value is None:
        return "reference"
    # Adding zero turns a negative zero into a positive one.
    return "not known" if math.isnan(value) else f"{round(value, 2) + 0.0:+.2f}"


def _interval(value: Interval | None) -> str:
    return "" if value is None else f"{_drop(value.low)} to {_drop(value.high)}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.2f}"


def _number(value: int) -> str:
    return f"{value:,}"


def _mebibytes(value: int) -> str:
    return f"{value / 2**20:.2f} MiB"
