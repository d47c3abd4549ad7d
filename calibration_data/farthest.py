"""Farthest-point selection: each next image is the one least like any that was chosen before."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def farthest_points(points: npt.NDArray[np.float32], count: int) -> list[int]:
    """Return the places of `count` points, in the order in which they were chosen.

    points: [n, dimensions]. The first is the one nearest to the mean of all, each next the one
    whose nearest chosen point is farthest (Gonzalez 1985, the greedy k-centre); of equals the
    first. A point is taken once, even where several are the same. Raises ValueError for more than
    there are.
    """
    if count > len(points):
        raise ValueError(f"{count} of {len(points)} points")
    if count == 0:
        return []
    chosen = [int(_distances(points, points.mean(axis=0)).argmin())]
    nearest = _distances(points, points[chosen[0]])
    nearest[chosen[0]] = -1.0
    while len(chosen) < count:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _distances(points, points[chosen[-1]]))
        nearest[chosen[-1]] = -1.0
    return chosen


def _distances(
    points: npt.NDArray[np.float32], point: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    return np.asarray(np.square(points - point, dtype=np.float64).sum(axis=1))
