"""Anchors: the grid of reference boxes that every delta is relative to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from .contract import DetectorContract, Level


def level_anchors(level: Level, step: tuple[float, float] | None = None) -> npt.NDArray[np.float32]:
    """Return the anchors of one level, float32 [rows * columns * anchors, 4], (cx, cy, w, h).

    Pixels of the network's input; row by row, cell by cell, anchor by anchor: the order in which
    an NHWC output lies in memory. A cell's centre is ((column + 0.5) * step, (row + 0.5) * step),
    as in SSD (arXiv 1512.02325, section 2.2). step: in x and y; the level's stride where None.
    """
    across, down = step or (level.stride, level.stride)
    sizes = np.asarray(level.anchors, np.float32)  # [anchors, 2]
    grid = np.empty((level.rows, level.columns, len(sizes), 4), np.float32)
    grid[..., 0] = ((np.arange(level.columns) + 0.5) * across)[None, :, None]
    grid[..., 1] = ((np.arange(level.rows) + 0.5) * down)[:, None, None]
    grid[..., 2:4] = sizes
    return grid.reshape(-1, 4)


def placed_levels(contract: DetectorContract) -> list[npt.NDArray[np.float32]]:
    """Return the anchors of each level, float32 [rows * columns * anchors, 4], (cx, cy, w, h)."""
    spec = contract.input
    if contract.anchor_step == "stride":
        return [level_anchors(level) for level in contract.levels]
    return [
        level_anchors(level, (spec.width / level.columns, spec.height / level.rows))
        for level in contract.levels
    ]


def all_anchors(contract: DetectorContract) -> npt.NDArray[np.float32]:
    """Return the anchors of all levels, float32 [anchor_count, 4], in the order of the levels."""
    return np.concatenate(placed_levels(contract))


def anchors_sha256(anchors: npt.NDArray[np.float32]) -> str:
    """Return the sha256 of placed anchors: their rows in order, as little-endian float32.

    It changes with any anchor, its place or their order; names and thresholds do not enter it.
    """
    return hashlib.sha256(anchors.astype("<f4").tobytes()).hexdigest()
