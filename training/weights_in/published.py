"""From a `.pth` of the pytorch-ssd family to a checkpoint of ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ...errors import ArtifactError
from ...recipe import Recipe
from ...runtime.files import sha256_of
from ..checkpoint import load_checkpoint, network_of, save_checkpoint
from ..networks.layers import ConvBlock
from .batches import Progress, training_batches
from .filling import Filled, fill
from .pytorch_ssd import published_of
from .reopening import reopen
from .state_dict import read_state_dict


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A checkpoint in memory: not written yet, for the caller decides where a whole one goes."""

    title: str
    source: Path
    recipe: Recipe
    network: torch.nn.Module
    filled: Filled

    @property
    def whole(self) -> bool:
        """Return whether every tensor of the network was given."""
        return not self.filled.missing

    def save(self, path: Path) -> Path:
        """Write a checkpoint; where tensors are missing, one that holds the given ones alone."""
        notes = {"imported_from": self.source.name, "sha256": sha256_of(self.source)}
        return save_checkpoint(
            path,
            self.network,
            self.recipe,
            notes,
            dtype=torch.float32,
            only=None if self.whole else self.filled.given,
        )


def import_state_dict(
    source: Path, recipe: Recipe, progress: Progress = lambda done, total: None
) -> Imported:
    """Read a published network's `.pth` into the recipe's network.

    Where ours has batch norms that theirs has not, they are measured on the recipe's images.
    Raises ArtifactError where the file is damaged, holds more than tensors or is of no known
    network, RecipeError where the recipe's network is another one.
    """
    tensors = read_state_dict(source)
    published = published_of(tensors, str(source))
    network = network_of(recipe)
    filled = fill(network, recipe.network.name, published, tensors, str(source))
    if filled.folded:
        blocks = [network.get_submodule(name) for name in filled.folded]
        measured = [block for block in blocks if isinstance(block, ConvBlock)]
        reopen(network, measured, training_batches(recipe, progress))
    return Imported(
        title=published.title, source=source, recipe=recipe, network=network, filled=filled
    )


def refuse_to_lose(path: Path) -> None:
    """Raise ArtifactError where a checkpoint lies at `path` that no import has written."""
    if path.exists() and "imported_from" not in load_checkpoint(path).notes:
        raise ArtifactError(f"{path} was trained: give another --out, or remove it first")
