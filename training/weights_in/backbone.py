"""From a classifier's folded weights to a checkpoint that a training can start from."""

from __future__ import annotations

from pathlib import Path

import torch

from ...recipe import Recipe
from ...runtime.files import sha256_of
from ..checkpoint import network_of, save_checkpoint
from ..contract import contract_of
from .batches import Progress, training_batches
from .described_graph import read_described_graph
from .mobilenet_v2 import fill_backbone, reopen_backbone


def import_backbone(
    source: Path, recipe: Recipe, out: Path, progress: Progress = lambda done, total: None
) -> Path:
    """Write a checkpoint of the recipe's network that holds its backbone alone; return its path.

    source: a described graph (`read_described_graph`) of a MobileNetV2 1.0 classifier. The file is
    for `training.start_from`. Raises ArtifactError where it is none, RecipeError where the
    recipe's network has no such backbone, DataError where its images are missing.
    """
    graph = read_described_graph(source)
    network = network_of(recipe)
    name = fill_backbone(network, graph, contract_of(recipe).input)
    reopen_backbone(network, name, training_batches(recipe, progress))
    notes = {"imported_from": source.name, "sha256": sha256_of(source)}
    names = [tensor for tensor in network.state_dict() if tensor.startswith(f"{name}.")]
    return save_checkpoint(out, network, recipe, notes, only=names, dtype=torch.float32)
