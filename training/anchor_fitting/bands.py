"""Which sizes a level is for: geometric bands from the strides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ...runtime.contract import DetectorContract

LevelAnchors = tuple[tuple[float, float], ...]
"""(width, height) of each anchor of a level, in pixels of the network's input."""
Band = tuple[float, float]
"""Least and largest side, the square root of a box's area, in pixels of the network's input."""


def bands_of(contract: DetectorContract) -> list[Band]:
    """Return the band of every level of a network."""
    side = math.sqrt(contract.input.width * contract.input.height)
    return bands([level.stride for level in contract.levels], side)


def bands(strides: Sequence[float], side: float) -> list[Band]:
    """Return the bands of levels with these strides, finest first, for an input of this side.

    From twice a level's stride to twice the next one's, four times the last one's: strides 8 to 64
    give the published 16-32, 32-64, 64-128 and 128-256 of the f38 person detector. Where that
    goes beyond the input, as with the coarse levels of SSD300, all borders move together on a
    logarithmic axis until the last one is the input's side.
    """
    borders = [2.0 * stride for stride in strides] + [4.0 * strides[-1]]
    if borders[-1] > side:
        first = min(borders[0], side / 2)
        shrink = math.log(side / first) / math.log(borders[-1] / borders[0])
        borders = [first * (border / borders[0]) ** shrink for border in borders]
    return list(itertools.pairwise(borders))


def level_of(sizes: npt.NDArray[np.float64], levels: Sequence[Band]) -> npt.NDArray[np.int64]:
    """Return the level of each size, int64 [n]: the one in whose band its side lies.

    sizes: float64 [n, 2]. What is smaller than all bands is the first level's, what is larger the
    last one's; a side on a border is the coarser level's.
    """
    sides = np.sqrt(sizes.prod(axis=1))
    borders = [low for low, _ in levels[1:]]
    return np.asarray(np.searchsorted(borders, sides, side="right"), np.int64)
