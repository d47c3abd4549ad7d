"""Images of a recipe as its network reads them, to measure batch norms on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from ...datasets.opening import open_split
from ...recipe import Recipe
from ...runtime.images import to_pixels
from ..contract import contract_of

IMAGES = 64
"""Training images that the statistics of batch norms are measured on."""
BATCH = 8

Progress = Callable[[int, int], None]
"""Called with how many images are done, and of how many."""


def training_batches(
    recipe: Recipe, progress: Progress = lambda done, total: None
) -> Iterator[Tensor]:
    """Yield a seeded choice of the training images as the network reads them, [n, 3, h, w].

    Raises DataError where there are none.
    """
    dataset, spec = open_split(recipe.data, "train"), contract_of(recipe).input
    order = np.random.default_rng(recipe.training.seed).permutation(len(dataset))[:IMAGES]
    for start in range(0, len(order), BATCH):
        images = [to_pixels(dataset[int(i)].image, spec) for i in order[start : start + BATCH]]
        pixels = torch.from_numpy(np.concatenate(images))
        # [n, h, w, 3] -> [n, 3, h, w]
        yield (pixels.permute(0, 3, 1, 2).float() - spec.mean) / spec.std
        progress(start + len(images), len(order))
