"""From the objects' sizes to the anchors of every level: by k-means, or by their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...errors import DataError
from ...runtime.contract import DetectorContract, InputSpec
from .bands import Band, LevelAnchors, bands_of, level_of
from .kmeans import Sizes, cluster

Method = Literal["kmeans", "statistics"]

PAIR = (0.84, 1.25)
"""Of a band's middle: the published sizes of the f38 person detector's two anchors a cell."""
ENOUGH_BOXES = 10
"""For each anchor of a level: k-means over less would fit single objects."""
DECIMALS = 1
"""Of a size in pixels, as the recipes write them."""


@dataclass(frozen=True, kw_only=True)
class LevelFit:
    """The anchors of one level, and where they come from.

    band: which sides it is for; boxes: how many objects lie in it; remark: what was not as asked.
    """

    stride: int
    band: Band
    boxes: int
    anchors: LevelAnchors
    method: Method
    remark: str = ""


def fit(
    sizes: Sizes, contract: DetectorContract, counts: Sequence[int], method: Method, *, seed: int
) -> list[LevelFit]:
    """Return the anchors of every level of a network, for objects of these sizes.

    sizes: float64 [n, 2], (width, height) in pixels of the network's input; counts: anchors a
    cell, for every level. Raises DataError where there are fewer objects than anchors.
    """
    if len(sizes) < sum(counts):
        raise DataError(
            f"{len(sizes)} objects are too few for {sum(counts)} anchors: look at more images "
            f"(--limit, --augmented), or ask for less (--anchors-per-level)"
        )
    bands = bands_of(contract)
    own = level_of(sizes, bands)
    ratio = height_to_width(sizes)
    fits = []
    for index, (level, band, count) in enumerate(zip(contract.levels, bands, counts, strict=True)):
        members = sizes[own == index]
        lack = _lack(members, count) if method == "kmeans" else ""
        by: Method = "statistics" if lack else method
        found = (
            by_statistics(band, count, ratio)
            if by == "statistics"
            else [(float(w), float(h)) for w, h in cluster(members, count, seed=seed).sizes]
        )
        anchors, cut = _written(found, contract.input)
        fits.append(
            LevelFit(
                stride=level.stride,
                band=band,
                boxes=len(members),
                anchors=anchors,
                method=by,
                remark="; ".join(filter(None, (lack, cut))),
            )
        )
    return fits


def by_statistics(band: Band, count: int, ratio: float) -> list[tuple[float, float]]:
    """Return `count` anchors of one band, all with the height / width `ratio`, smallest first.

    One stands in the band's middle sqrt(low * high); two at 0.84 and 1.25 of it, as published;
    more divide the band evenly on a logarithmic axis.
    """
    low, high = band
    even = [(high / low) ** ((k + 0.5) / count - 0.5) for k in range(count)]
    factors = PAIR if count == len(PAIR) else even
    middle, root = np.sqrt(low * high), np.sqrt(ratio)
    return [(float(middle * f / root), float(middle * f * root)) for f in factors]


def height_to_width(sizes: Sizes) -> float:
    """Return the median height / width."""
    return float(np.median(sizes[:, 1] / sizes[:, 0]))


def _lack(members: Sizes, count: int) -> str:
    """Return why a level cannot be fitted by k-means, empty where it can."""
    instead = "by the band, and the height / width of all objects"
    if not len(members):
        return f"no object in its band: {instead}"
    if len(members) < ENOUGH_BOXES * count:
        return f"fewer than {ENOUGH_BOXES} objects for each anchor: {instead}"
    if len(np.unique(members.round(DECIMALS), axis=0)) < count:
        return f"too few different sizes: {instead}"
    return ""


def _written(found: Sequence[tuple[float, float]], spec: InputSpec) -> tuple[LevelAnchors, str]:
    """Return the anchors as they are written, none larger than the input, and what was cut."""
    rounded = [(round(w, DECIMALS), round(h, DECIMALS)) for w, h in found]
    inside = tuple(
        (max(0.1, min(w, float(spec.width))), max(0.1, min(h, float(spec.height))))
        for w, h in rounded
    )
    cut = sum(a != b for a, b in zip(rounded, inside, strict=True))
    return inside, f"{cut} cut to the input's {spec.width} x {spec.height}" if cut else ""
