"""An inspection as one self-contained HTML page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from ...runtime.drawing import PALETTE
from ...runtime.files import write_text
from ..pages.rendering import page_environment
from .charts import HEIGHT, WIDTH, Chart, chart
from .looking import DUPLICATE_IOU
from .schema import Histogram, Inspection
from .sheet import Picture, jpeg

FILE_NAME = "inspect.html"
TEMPLATE = "page.html.j2"
LISTED = 100
"""Defects of one kind that the page lists; the JSON has them all."""
SMALL_PX, LARGE_PX = 32.0, 96.0
"""COCO's borders between small, medium and large."""
RATIO_TICKS = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

Anchors = Sequence[Sequence[tuple[float, float]]]


def save_page(
    inspection: Inspection, tiles: Sequence[Picture], anchors: Anchors, folder: Path
) -> Path:
    """Write `inspect.html`: styles and pictures inline, no script, nothing fetched."""
    return write_text(folder / FILE_NAME, render(inspection, tiles, anchors))


def render(inspection: Inspection, tiles: Sequence[Picture], anchors: Anchors) -> str:
    """Return the page; every text that comes from outside is escaped.

    tiles: one picture for each entry of `sheet`. anchors: (width, height) of each level in pixels
    of the network's input, drawn beside the objects.
    """
    environment = page_environment(Path(__file__).parent)
    environment.filters["number"] = lambda value: f"{value:,}"
    names = [item.name for item in inspection.classes]
    stacked = 1 < len(names) <= len(PALETTE)
    pairs = [pair for level in anchors for pair in level]
    return environment.get_template(TEMPLATE).render(
        found=inspection,
        width=WIDTH,
        height=HEIGHT,
        keys=names if stacked else [],
        colours=["#{:02x}{:02x}{:02x}".format(*PALETTE[i]) for i in range(len(PALETTE))],
        sizes=_sizes(inspection, stacked, pairs),
        ratios=_ratios(inspection, stacked, pairs),
        per_image=_per_image(inspection.boxes_per_image),
        defects={
            kind: [d for d in inspection.defects if d.kind == kind]
            for kind in inspection.defect_counts
        },
        listed=LISTED,
        duplicate_iou=DUPLICATE_IOU,
        tiles=[_address(tile) for tile in tiles],
    )


def _sizes(inspection: Inspection, stacked: bool, anchors: Sequence[tuple[float, float]]) -> Chart:
    powers = [2.0**power for power in range(0, 12)]
    ticks = [(value, f"{value:g}") for value in powers]
    marks = [((w * h) ** 0.5, f"anchor {w:g} x {h:g}") for w, h in anchors]
    return chart(_merged(inspection.sizes, stacked), ticks, log=True, marks=marks)


def _ratios(inspection: Inspection, stacked: bool, anchors: Sequence[tuple[float, float]]) -> Chart:
    ticks = [(value, f"1:{1 / value:g}" if value < 1 else f"{value:g}") for value in RATIO_TICKS]
    marks = [(h / w, f"anchor {w:g} x {h:g}") for w, h in anchors]
    return chart(_merged(inspection.ratios, stacked), ticks, log=True, marks=marks)


def _per_image(histogram: Histogram) -> Chart:
    """Return the chart of boxes per image, each number or range of numbers under its bar."""
    edges = histogram.edges
    step = edges[1] - edges[0]
    every = -(-len(edges) // 12)
    ticks = [
        (low + step / 2, f"{low:g}" if step == 1 else f"{low:g}-{low + step - 1:g}")
        for low in edges[:-1:every]
    ]
    return chart(histogram, ticks, log=False)


def _merged(histogram: Histogram, stacked: bool) -> Histogram:
    """Return a histogram of all classes together where they cannot be told apart by colour."""
    if stacked:
        return histogram
    counts = [sum(bins) for bins in zip(*histogram.counts.values(), strict=True)]
    return Histogram(edges=histogram.edges, counts={"all": counts})


def _address(tile: Picture) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(tile)).decode("ascii")
