"""The costs of several files as one page, and as results to be remembered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...runtime.files import write_text
from ..pages.plots import Drawing, column_chart, render
from ..results import Result, recorder
from .counting import RULE, UINT8_BYTES, NetworkCost
from .measuring import Counted, verdict
from .published import bounds

MOST_DRAWN = 12
"""Files with drawings in one page; the table has all."""


def save_page(found: Sequence[Counted], sdk: Sequence[tuple[str, float]], path: Path) -> Path:
    """Write the page; files that do what an earlier one does are drawn once.

    found: the first is what the others are compared with. sdk: memory as Qualcomm's tool says.
    """
    costs = [one.cost for one in found]
    reference = costs[0]
    different = [c for c in costs if c is reference or verdict(c, reference) != "the same"]
    return write_text(
        path,
        render(
            "cost.html.j2",
            title=path.stem,
            costs=costs,
            reference=reference.file,
            verdicts=[verdict(cost, reference) for cost in costs],
            rule=RULE,
            sdk=list(sdk),
            roofline=bounds(reference),
            drawn=[(cost, *_drawings(cost)) for cost in different[:MOST_DRAWN]],
        ),
    )


def _drawings(cost: NetworkCost) -> tuple[Drawing, Drawing]:
    macs = [(f"{row.name}, {row.type}", float(row.macs)) for row in cost.layers]
    live = [(f"{row.name}, {row.type}", float(UINT8_BYTES * row.live)) for row in cost.layers]
    return (
        column_chart("Multiply-accumulates", macs, "layer, in order of execution", 1e6, "M"),
        column_chart("Live memory in uint8", live, "layer, in order of execution", 2**20, "MiB"),
    )


def results(found: Sequence[Counted]) -> list[Result]:
    """Return what is worth remembering of counted files."""
    rows = []
    for one in found:
        record = recorder(artifact=one.name, sha256=one.sha256)
        rows += [
            record("parameters", one.cost.parameters, "1"),
            record("macs", one.cost.macs, "1"),
            record("file_size", one.cost.size_bytes, "B"),
            record("weights", one.cost.weight_bytes, "B"),
            record("peak_memory_uint8", one.cost.peak_uint8_bytes, "B"),
            record("moved_uint8", UINT8_BYTES * one.cost.moved, "B"),
        ]
    return rows
