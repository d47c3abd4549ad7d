"""Strata of images by number and size of their objects, and fair shares of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from ..datasets.record import Annotation

PARTS = 3
"""Into so many parts, with as many images each, numbers and sizes are split."""


def strata_of(truths: Sequence[Annotation]) -> list[tuple[int, int]]:
    """Return the stratum of every image: (by number of objects, by their median size).

    Without an object it is (0, 0), else each is 1 to PARTS, from few to many and from small to
    large; the limits are quantiles of the images given. An object's size is sqrt(width * height)
    in pixels of its image; objects to be ignored count, for the network sees them too.
    """
    counts = np.array([len(truth) for truth in truths])
    sizes = np.array([_median_px(truth) for truth in truths])
    some = counts > 0
    parts = np.zeros((len(truths), 2), np.int64)
    for column, values in enumerate((counts, sizes)):
        if some.any():
            limits = np.quantile(values[some], np.arange(1, PARTS) / PARTS)
            parts[some, column] = 1 + np.searchsorted(limits, values[some], side="left")
    return [(int(a), int(b)) for a, b in parts]


def share_out(strata: Sequence[Hashable], count: int, rng: np.random.Generator) -> list[int]:
    """Return the places of `count` images, from each stratum as large a share as it has of all.

    What is left after rounding down goes to the largest remainders (Hamilton's method), ties to
    the stratum that comes first. Within a stratum the images are drawn.
    """
    members: dict[Hashable, list[int]] = {}
    for place, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(place)
    groups = list(members.values())
    exact = [count * len(group) / len(strata) for group in groups]
    shares = [int(share) for share in exact]
    remainders = sorted(range(len(groups)), key=lambda i: shares[i] - exact[i])
    for i in remainders[: count - sum(shares)]:
        shares[i] += 1
    chosen: list[int] = []
    for group, share in zip(groups, shares, strict=True):
        chosen += rng.choice(group, size=share, replace=False).tolist()
    return sorted(chosen)


def _median_px(truth: Annotation) -> float:
    if not len(truth):
        return 0.0
    sides: npt.NDArray[np.float32] = truth.boxes[:, 2:] - truth.boxes[:, :2]
    return float(np.median(np.sqrt(sides.prod(axis=1))))
