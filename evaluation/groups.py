"""Parts of the objects and detections: by size, and by the level of the anchors that fit them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..runtime.contract import DetectorContract
from ..runtime.placement import Placement
from .matches import Bools, Float, Ints, Matches

COCO_SIDES_PX = (32.0, 96.0)
"""COCO's borders between small, medium and large: square roots of the area (cocodataset.org)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Some of the objects and some of the detections.

    bounds: what makes them a group, in words. truths, found: bool, one an object and a detection.
    """

    name: str
    bounds: str
    truths: Bools
    found: Bools


@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """Width and height of objects and detections in pixels of the network's input.

    truths, found: float64 [n, 2].
    """

    truths: npt.NDArray[np.float64]
    found: npt.NDArray[np.float64]


def network_sides(matches: Matches, placements: Sequence[Placement]) -> Sides:
    """Measure all boxes as the network sees them; placements: one an image."""
    scales = np.asarray([(p.scale_x, p.scale_y) for p in placements]).reshape(-1, 2)

    def measure(boxes: Float, image: Ints) -> npt.NDArray[np.float64]:
        return np.asarray((boxes[:, 2:4] - boxes[:, 0:2]) * scales[image], np.float64)

    return Sides(
        truths=measure(matches.truths.boxes, matches.truths.image),
        found=measure(matches.boxes, matches.image),
    )


def by_coco_size(sides: Sides) -> list[Group]:
    """Return small, medium and large objects by COCO's borders, at the network's scale."""
    return _by_side(sides, ("small", "medium", "large"), COCO_SIDES_PX)


def by_tercile(matches: Matches, sides: Sides) -> list[Group]:
    """Return the smallest, middle and largest third of the objects; without objects, nothing."""
    roots = np.sqrt(sides.truths.prod(axis=1))[matches.truths.counted]
    if not len(roots):
        return []
    borders = tuple(float(v) for v in np.quantile(roots, [1 / 3, 2 / 3]))
    return _by_side(sides, ("smallest third", "middle third", "largest third"), borders)


def by_level(contract: DetectorContract, sides: Sides) -> list[Group]:
    """Return the objects and detections whose shape an anchor of each level fits best.

    Detections do not say which anchor they came from. The level is derived from the shape alone:
    the one whose anchor has the highest IoU with the box, both centred on the same point; the
    finer level where two are equal. A detection whose deltas changed its anchor's size much may
    so be counted one level off.
    """
    truths, found = (nearest_level(contract, s) for s in (sides.truths, sides.found))
    return [
        Group(
            name=f"stride {level.stride}",
            bounds=f"{level.rows} x {level.columns} cells, anchors "
            + ", ".join(f"{w:g} x {h:g}" for w, h in level.anchors),
            truths=truths == index,
            found=found == index,
        )
        for index, level in enumerate(contract.levels)
    ]


def nearest_level(contract: DetectorContract, sides: npt.NDArray[np.float64]) -> Ints:
    """Return the level of each box by its sides [n, 2] in pixels of the input, int64 [n]."""
    fits = []
    for level in contract.levels:
        anchors = np.asarray(level.anchors, np.float64)  # [anchors, 2]
        common = np.minimum(sides[:, None], anchors[None]).prod(axis=2)  # [n, anchors]
        union = sides.prod(axis=1)[:, None] + anchors.prod(axis=1)[None] - common
        fits.append((common / union).max(axis=1))
    return np.asarray(np.argmax(np.stack(fits), axis=0), np.int64)


def _by_side(sides: Sides, names: Sequence[str], borders: tuple[float, ...]) -> list[Group]:
    """Return groups by the square root of the area; a box on a border is in the larger one."""
    truths, found = (
        np.searchsorted(borders, np.sqrt(s.prod(axis=1)), side="right")
        for s in (sides.truths, sides.found)
    )
    words = [f"side under {borders[0]:.0f} px"]
    words += [f"side {a:.0f} to {b:.0f} px" for a, b in itertools.pairwise(borders)]
    words += [f"side {borders[-1]:.0f} px and more"]
    return [
        Group(name=name, bounds=bounds, truths=truths == index, found=found == index)
        for index, (name, bounds) in enumerate(zip(names, words, strict=True))
    ]
