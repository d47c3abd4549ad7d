"""From a classifier's folded weights to a checkpoint that a training can start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...datasets.opening import open_split
from ...datasets.record import Dataset
from ...recipe import Recipe
from ...runtime.contract import DetectorContract
from ...runtime.files import sha256_of
from ...runtime.images import to_pixels
from ..checkpoint import network_of, save_checkpoint
from ..contract import contract_of
from .described_graph import read_described_graph
from .mobilenet_v2 import fill_backbone, reopen_backbone

IMAGES = 64
"""Training images that the statistics of the batch norms are measured on."""
BATCH = 8


def import_backbone(
    source: Path,
    recipe: Recipe,
    out: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write a checkpoint of the recipe's network that holds its backbone alone; return its path.

    source: a described graph (`read_described_graph`) of a MobileNetV2 1.0 classifier. The file is
    for `training.start_from`. Raises ArtifactError where it is none, RecipeError where the
    recipe's network has no such backbone, DataError where its images are missing.
    """
    graph = read_described_graph(source)
    contract = contract_of(recipe)
    network = network_of(recipe)
    name = fill_backbone(network, graph, contract.input)
    dataset = open_split(recipe.data, "train")
    reopen_backbone(network, name, _batches(dataset, contract, recipe.training.seed, progress))
    notes = {
        "imported_from": source.name,
        "sha256": sha256_of(source),
        "statistics_of": f"{min(IMAGES, len(dataset))} images of {dataset.name}",
    }
    names = [tensor for tensor in network.state_dict() if tensor.startswith(f"{name}.")]
    return save_checkpoint(out, network, recipe, notes, only=names, dtype=torch.float32)


def _batches(
    dataset: Dataset, contract: DetectorContract, seed: int, progress: Callable[[int, int], None]
) -> Iterator[Tensor]:
    """Yield a seeded choice of the images as the network reads them, [n, 3, h, w]."""
    spec = contract.input
    chosen = np.random.default_rng(seed).permutation(len(dataset))[:IMAGES]
    for start in range(0, len(chosen), BATCH):
        images = [to_pixels(dataset[int(i)].image, spec) for i in chosen[start : start + BATCH]]
        pixels = torch.from_numpy(np.concatenate(images))
        # [n, h, w, 3] -> [n, 3, h, w]
        yield (pixels.permute(0, 3, 1, 2).float() - spec.mean) / spec.std
        progress(start + len(images), len(chosen))
