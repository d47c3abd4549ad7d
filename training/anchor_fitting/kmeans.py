"""k-means over box sizes, whose distance is 1 - IoU of two boxes with the same centre."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Sizes = npt.NDArray[np.float64]

RESTARTS = 10
MOST_ROUNDS = 300
LEAST_GAIN = 1e-12
"""Of a cluster's mean IoU; less is rounding, and would move a centre for ever."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Clusters:
    """What one run of k-means ended with.

    sizes: float64 [k, 2], (width, height), by area.
    costs: mean of 1 - IoU over all boxes after every round; it never rises.
    """

    sizes: Sizes
    costs: tuple[float, ...]


def size_iou(a: Sizes, b: Sizes) -> Sizes:
    """Return the IoU of every pair of sizes laid on one centre, float64 [len(a), len(b)].

    a, b: float64 [n, 2], (width, height), positive.
    """
    common = np.minimum(a[:, None], b[None]).prod(axis=2)
    union = a.prod(axis=1)[:, None] + b.prod(axis=1)[None] - common
    return np.asarray(common / union, np.float64)


def cluster(sizes: Sizes, k: int, *, seed: int = 0, restarts: int = RESTARTS) -> Clusters:
    """Return the best of several runs of k-means; the same for the same seed.

    sizes: float64 [n, 2] with at least k different rows.
    Source: YOLO9000, arXiv 1612.08242, section 2, for the distance.
    """
    runs = [
        run(sizes, first_centres(sizes, k, np.random.default_rng((seed, index))))
        for index in range(restarts)
    ]
    return min(runs, key=lambda found: found.costs[-1])


def run(sizes: Sizes, centres: Sizes) -> Clusters:
    """Move the centres until no cluster gains by it.

    A mean does not minimise 1 - IoU, so that plain k-means may rise: a cluster takes the best of
    its median, mean, geometric mean and the centre that it has.
    """
    centres = centres.copy()
    costs = []
    for _ in range(MOST_ROUNDS):
        overlap = size_iou(sizes, centres)
        nearest = overlap.argmax(axis=1)
        costs.append(float(1 - overlap.max(axis=1).mean()))
        moved = [_move(centres, index, sizes[nearest == index]) for index in range(len(centres))]
        if not any(moved):
            break
    return Clusters(sizes=centres[np.argsort(centres.prod(axis=1))], costs=tuple(costs))


def first_centres(sizes: Sizes, k: int, rng: np.random.Generator) -> Sizes:
    """Draw k of the sizes, each the likelier the farther it is from those drawn before.

    Source: k-means++, Arthur and Vassilvitskii 2007, section 2.2.
    """
    drawn = [int(rng.integers(len(sizes)))]
    while len(drawn) < k:
        squares = (1 - size_iou(sizes, sizes[drawn]).max(axis=1)).clip(min=0) ** 2
        squares[drawn] = 0  # what rounding leaves must not draw one twice
        drawn.append(int(rng.choice(len(sizes), p=squares / squares.sum())))
    return sizes[drawn]


def _move(centres: Sizes, index: int, members: Sizes) -> bool:
    """Move one centre to where its members gain most; tell whether they do."""
    if not len(members):
        return False
    candidates = np.stack(
        [
            centres[index],
            np.median(members, axis=0),
            members.mean(axis=0),
            np.exp(np.log(members).mean(axis=0)),
        ]
    )
    gains = size_iou(members, candidates).mean(axis=0)
    best = int(gains.argmax())
    if gains[best] <= gains[0] + LEAST_GAIN:
        return False
    centres[index] = candidates[best]
    return True
