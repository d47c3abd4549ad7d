"""The drop against the budget."""

from __future__ import annotations

import math
from dataclasses import replace

from ...errors import ParityError
from ...evaluation.bootstrap import Interval
from .schema import INT8_HTP, Report, Row, Status, Verdict

LEAST_IMAGES = 30
"""Of fewer the interval itself is too rough to settle anything."""


def judge(row: Row, *, budget: float, arch: int, images: int) -> Verdict:
    """Hold the row of INT8 on the HTP against a budget in points of AP@0.5.

    The drop itself decides; its interval only tells whether so many images settle it.
    """
    drop, interval = row.drop_ap50, row.drop_ap50_interval
    if drop is None or math.isnan(drop):
        return Verdict(
            status="not measured",
            drop=math.nan,
            interval=None,
            budget=budget,
            sentence="No object of any class among these images: nothing to score.",
        )
    known = (
        f"INT8 on the HTP (v{arch}) {_change(drop)} of AP@0.5 against float on {images} images"
        f"{_words(interval)}"
    )
    settled = (
        interval is not None
        and images >= LEAST_IMAGES
        and (interval.low > budget or interval.high <= budget)
    )
    status: Status
    if drop > budget:
        status, ruling = "missed", f"the budget of {budget:g} is missed"
    else:
        status = "kept" if settled else "not certain"
        ruling = f"within the budget of {budget:g}"
    if not settled:
        ruling += ", but so few images do not settle it"
    return Verdict(
        status=status, drop=drop, interval=interval, budget=budget, sentence=f"{known}: {ruling}."
    )


def with_budget(report: Report, budget: float) -> Report:
    """Return a report held against another budget."""
    row = report.row(INT8_HTP)
    return replace(
        report, verdict=judge(row, budget=budget, arch=report.arch, images=report.images)
    )


def check_verdict(report: Report) -> None:
    """Raise ParityError where the budget is missed."""
    if report.verdict.status == "missed":
        raise ParityError(
            f"{report.verdict.sentence} See what each layer loses with `hexdet diagnose`, "
            f"or allow more with --max-drop"
        )


def _change(drop: float) -> str:
    amount = f"{abs(drop):.2f}"
    if float(amount) == 0:
        return "loses no point"
    return f"{'loses' if drop > 0 else 'gains'} {amount} points"


def _words(interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f" (95 % interval of the drop {interval.low:+.2f} to {interval.high:+.2f})"
