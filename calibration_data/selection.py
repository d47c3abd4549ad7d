"""Choosing calibration images out of the training split."""

from __future__ import annotations

import numpy as np

from ..datasets.record import Dataset
from ..errors import DataError


def choose(dataset: Dataset, count: int, seed: int) -> list[int]:
    """Return the indices of `count` images, drawn without repetition, in ascending order.

    Raises DataError where the dataset has fewer images.
    """
    if count > len(dataset):
        raise DataError(
            f"calibration.images is {count}, but {dataset.name} has {len(dataset)} images: lower it"
        )
    chosen = np.random.default_rng(seed).choice(len(dataset), size=count, replace=False)
    return sorted(int(i) for i in chosen)
