"""The numbers behind the anchor page's drawings: sizes on logarithmic axes, and their anchors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...evaluation.pages.axes import Scale, polyline
from .kmeans import Sizes

PANEL = 360.0
"""Side of the scatter in its own units."""
CELLS = 54
"""Of the density, along each axis."""
SHADES = 8
STEPS = 9
"""Points of each bent side of an outline."""
BEYOND = 1e3
"""Factor by which an outline may go beyond the drawing."""
OUTLYING = 0.002
"""Share of the sides at the small end that may lie outside of the drawing."""
RATIO_BINS = 41
WIDEST_RATIO = 5.0
RATIO_WIDTH, RATIO_HEIGHT = 560.0, 150.0


@dataclass(frozen=True, kw_only=True)
class SizeAxes:
    """The axes of widths, to the right, and of heights, upwards: both alike, logarithmic."""

    width: Scale
    height: Scale

    @property
    def ticks(self) -> list[float]:
        """Return the powers of two that the axes hold."""
        low, high = math.log2(self.width.low), math.log2(self.width.high)
        return [2.0**power for power in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]


def size_axes(sizes: Sizes, anchors: Sizes, most: float) -> SizeAxes:
    """Return the axes for objects and anchors; most: the input's longer side, in pixels."""
    smallest = min(float(np.quantile(sizes, OUTLYING)), float(anchors.min()))
    low = min(2.0 ** math.floor(math.log2(max(1.0, smallest))), most / 4)
    high = max(most, float(anchors.max()))
    return SizeAxes(
        width=Scale(low=low, high=high, start=0, end=PANEL, log=True),
        height=Scale(low=low, high=high, start=PANEL, end=0, log=True),
    )


def density(sizes: Sizes, axes: SizeAxes) -> list[tuple[float, str]]:
    """Return where the sizes lie: of every shade its opacity and the SVG path of its cells.

    The shade grows with the root of the count, so that what is rare can be seen.
    """
    edges = np.geomspace(axes.width.low, axes.width.high, CELLS + 1)
    inside = np.clip(sizes, edges[0], edges[-1])
    counts, _, _ = np.histogram2d(inside[:, 0], inside[:, 1], bins=(edges, edges))
    shade = np.ceil(SHADES * np.sqrt(counts / max(1.0, counts.max()))).astype(int)
    step = PANEL / CELLS
    paths = []
    for level in range(1, SHADES + 1):
        cells = np.argwhere(shade == level)
        path = "".join(
            f"M{x * step:.1f} {PANEL - (y + 1) * step:.1f}h{step:.2f}v{step:.2f}h-{step:.2f}z"
            for x, y in cells.tolist()
        )
        if path:
            paths.append((round(0.1 + 0.9 * level / SHADES, 2), path))
    return paths


def outline(width: float, height: float, axes: SizeAxes, match_iou: float) -> str:
    """Return the SVG points of the sizes whose IoU with an anchor, on one centre, is `match_iou`.

    With u = log(w / width) and v = log(h / height): both larger or both smaller than the anchor,
    IoU is exp(-|u + v|); one larger, by a factor a, and one smaller, by b, it is
    b / (a b + 1 - b).
    """
    limit = -math.log(match_iou)
    shares = np.linspace(0, 1, STEPS).tolist()
    # The smaller side's factor b goes from 1, the anchor's own, to the IoU, where the larger's is.
    mixed = [1 - (1 - match_iou) * share for share in shares]
    bent = [(math.log(1 / match_iou + 1 - 1 / b), math.log(b)) for b in mixed]
    points = [
        (0.0, limit),
        *bent,  # wider and lower
        (0.0, -limit),
        *((v, u) for u, v in reversed(bent)),  # narrower and higher
    ]
    sizes = [(width * math.exp(u), height * math.exp(v)) for u, v in points]
    return polyline(_widened(axes.width), _widened(axes.height), sizes)


def _widened(scale: Scale) -> Scale:
    """Return a logarithmic scale that goes on far beyond its ends: a line that leaves it does."""
    share = math.log(BEYOND) / math.log(scale.high / scale.low)
    more = (scale.end - scale.start) * share
    return Scale(
        low=scale.low / BEYOND,
        high=scale.high * BEYOND,
        start=scale.start - more,
        end=scale.end + more,
        log=True,
    )


def border(side: float, axes: SizeAxes) -> str:
    """Return the SVG points of the line of all sizes with this side."""
    low, high = axes.width.low, axes.width.high
    widths = (max(low, side**2 / high), min(high, side**2 / low))
    return polyline(axes.width, axes.height, [(width, side**2 / width) for width in widths])


def ratio_scale() -> Scale:
    """Return the axis of height / width."""
    return Scale(low=1 / WIDEST_RATIO, high=WIDEST_RATIO, start=0, end=RATIO_WIDTH, log=True)


def ratio_bars(sizes: Sizes) -> list[tuple[float, float, float]]:
    """Return a bar (x, width, height) for every bin of height / width; the ends hold the rest."""
    edges = np.geomspace(1 / WIDEST_RATIO, WIDEST_RATIO, RATIO_BINS + 1)
    counts, _ = np.histogram(np.clip(sizes[:, 1] / sizes[:, 0], edges[0], edges[-1]), edges)
    step = RATIO_WIDTH / RATIO_BINS
    most = max(1, int(counts.max()))
    return [
        (round(index * step, 2), round(step - 1, 2), round(RATIO_HEIGHT * int(n) / most, 2))
        for index, n in enumerate(counts)
        if n
    ]


def flat(levels: Sequence[Sequence[tuple[float, float]]]) -> Sizes:
    """Return the anchors of all levels, float64 [n, 2]."""
    return np.asarray([pair for level in levels for pair in level], np.float64).reshape(-1, 2)
