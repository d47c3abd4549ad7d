"""From the weights of a published network to a checkpoint of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...errors import ArtifactError
from ...recipe import Recipe
from ...runtime.files import sha256_of
from ..checkpoint import load_checkpoint, network_of, save_checkpoint
from ..contract import contract_of
from ..networks.layers import ConvBlock
from .batches import Progress, training_batches
from .correspondence import Published, published_of
from .filling import Filled, fill
from .pytorch_ssd import PYTORCH_SSD
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
    """Read a `.pth` of the pytorch-ssd family into the recipe's network; see `import_tensors`.

    Raises ArtifactError also where the file is damaged or holds more than tensors.
    """
    return import_tensors(read_state_dict(source), PYTORCH_SSD, source, recipe, progress)


def import_tensors(
    tensors: Mapping[str, Tensor],
    known: Sequence[Published],
    source: Path,
    recipe: Recipe,
    progress: Progress = lambda done, total: None,
) -> Imported:
    """Put the tensors of one of the known networks into the recipe's network.

    Where ours has batch norms that theirs has not, they are measured on the recipe's images.
    Raises ArtifactError where the tensors are of none of them, RecipeError where the recipe's
    network is another one, DataError where its images are needed and missing.
    """
    published = published_of(tensors, known, str(source))
    network = network_of(recipe)
    filled = fill(network, contract_of(recipe), published, tensors, str(source))
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
