"""Choosing calibration images out of the training split, the same ones every time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from ..datasets.record import Dataset
from ..errors import DataError
from .farthest import farthest_points
from .features import features_of
from .stratified import share_out, strata_of

Selection = Literal["random", "stratified", "farthest"]
Progress = Callable[[int, int], None]

CANDIDATES = 8
"""For each image wanted, so many are looked at: to see all of a large dataset takes too long."""


def choose(
    dataset: Dataset,
    count: int,
    seed: int,
    selection: Selection = "random",
    progress: Progress = lambda done, total: None,
) -> list[int]:
    """Return the indices of `count` images, none of them twice, in ascending order.

    random: drawn. The others draw CANDIDATES times as many and look at them; `stratified` takes
    of each kind, by number and size of its objects, as large a share as it has among them;
    `farthest` takes those that look least like each other. The same arguments give the same
    choice. Raises DataError where the dataset has fewer images, or one cannot be read.
    """
    if count > len(dataset):
        raise DataError(
            f"calibration.images is {count}, but {dataset.name} has {len(dataset)} images: lower it"
        )
    rng = np.random.default_rng(seed)
    wanted = count if selection == "random" else min(len(dataset), CANDIDATES * count)
    drawn = sorted(int(i) for i in rng.choice(len(dataset), size=wanted, replace=False))
    if selection == "random" or not drawn:
        return drawn
    if selection == "stratified":
        truths = [dataset.annotation(i) for i in _told(drawn, progress)]
        places = share_out(strata_of(truths), count, rng)
    else:
        looks = [features_of(dataset[i].image) for i in _told(drawn, progress)]
        places = farthest_points(np.stack(looks), count)
    return sorted(drawn[i] for i in places)


def _told(indices: list[int], progress: Progress) -> Iterator[int]:
    """Yield the indices, and tell after each that it is done with."""
    for done, index in enumerate(indices, 1):
        yield index
        progress(done, len(indices))
