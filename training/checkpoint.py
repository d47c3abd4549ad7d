"""Checkpoints: weights and the resolved recipe in one safetensors file, written atomically."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from .. import __version__
from ..errors import ArtifactError
from ..recipe import Recipe, parse_recipe
from ..runtime.files import write_bytes
from .contract import contract_of
from .networks import SSD, HeadSpec, build_network

SHIPPED = Path(__file__).parent / "checkpoints"
SCHEMA = "1"
UNUSED = "num_batches_tracked"
"""Counters that only a batch norm without momentum reads."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A network with its weights, in evaluation mode, and what made it.

    notes: epoch, validation AP and the like, as the training wrote them.
    """

    path: Path
    network: SSD
    recipe: Recipe
    notes: dict[str, Any]


def network_of(recipe: Recipe) -> SSD:
    """Return the recipe's network, randomly initialised."""
    contract = contract_of(recipe)
    spec = HeadSpec(
        scores=contract.scores_per_anchor,
        anchors=tuple(len(level.anchors) for level in contract.levels),
    )
    return build_network(recipe.network.name, spec)


def save_checkpoint(path: Path, network: nn.Module, recipe: Recipe, notes: dict[str, Any]) -> Path:
    """Write the weights as float16, and recipe and notes as metadata.

    Raises ArtifactError where a weight does not fit float16 or the disk is full.
    """
    tensors = {
        name: value.detach().to("cpu", torch.float16).contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith(UNUSED)
    }
    broken = [name for name, value in tensors.items() if not value.isfinite().all()]
    if broken:
        raise ArtifactError(f"{path}: {broken[0]} holds values that float16 cannot: not written")
    metadata = {
        "hexdet_schema": SCHEMA,
        "hexdet_version": __version__,
        "recipe": recipe.model_dump_json(),
        "notes": json.dumps(notes),
    }
    # Not `save_file`: what it raises on a full disk is no OSError, and says no path.
    return write_bytes(path, save(tensors, metadata))


def load_checkpoint(path: Path, recipe: Recipe | None = None) -> Checkpoint:
    """Read a checkpoint; with a recipe, check that the checkpoint fits it.

    Raises ArtifactError where the file is missing (with the command that makes it), is no
    checkpoint of hexdet, or has another network, class count or anchors than the recipe.
    """
    if not path.is_file():
        name = recipe.name if recipe else "RECIPE"
        raise ArtifactError(f"no checkpoint {path}: make it with `hexdet train {name}`")
    try:
        with safetensors.safe_open(path, "pt") as stream:
            metadata = stream.metadata() or {}
        tensors = load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise ArtifactError(f"{path} is not a readable safetensors file: {error}") from error
    if metadata.get("hexdet_schema") != SCHEMA:
        raise ArtifactError(f"{path} is no checkpoint of this version of hexdet: train it again")
    try:
        content, notes = json.loads(metadata["recipe"]), json.loads(metadata.get("notes", "{}"))
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged: {error!r}; train it again") from error
    stored = parse_recipe(content, f"{path} (recipe)")
    if recipe is not None:
        _check_fit(path, stored, recipe)
    network = network_of(stored)
    _load_weights(path, network, tensors)
    return Checkpoint(path=path, network=network.eval(), recipe=stored, notes=notes)


def default_checkpoint(recipe: Recipe, build: Path) -> Path:
    """Return the user's own checkpoint of a recipe where there is one, else the shipped one."""
    own = build / recipe.name / "training" / "best.safetensors"
    shipped = shipped_checkpoint(recipe)
    return own if own.is_file() or not shipped.is_file() else shipped


def shipped_checkpoint(recipe: Recipe) -> Path:
    """Return where the shipped checkpoint of a recipe is, if it has one."""
    return SHIPPED / f"{recipe.name}.safetensors"


def start_from(network: SSD, source: str) -> None:
    """Give a network the weights of a checkpoint: a file, or a shipped one by its name.

    Raises ArtifactError where there is none, or where its tensors do not fit the network.
    """
    path = Path(source)
    if not path.is_file():
        path = SHIPPED / f"{source}.safetensors"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.safetensors")))
        raise ArtifactError(f"training.start_from: no checkpoint {source!r}; shipped: {known}")
    weights = load_checkpoint(path).network.state_dict()
    own = network.state_dict()
    wrong = sorted(own.keys() ^ weights.keys())
    wrong += [name for name in own if name in weights and own[name].shape != weights[name].shape]
    if wrong:
        raise ArtifactError(f"training.start_from: {path} does not fit this network at {wrong[0]}")
    network.load_state_dict(weights)


def _check_fit(path: Path, stored: Recipe, recipe: Recipe) -> None:
    if len(stored.classes) != len(recipe.classes):
        raise ArtifactError(
            f"{path} was trained for {len(stored.classes)} classes {list(stored.classes)}, the "
            f"recipe {recipe.name} has {len(recipe.classes)} {list(recipe.classes)}: "
            f"train it with `hexdet train {recipe.name}`"
        )
    if stored.classes != recipe.classes:
        raise ArtifactError(
            f"{path} was trained for the classes {list(stored.classes)}, the recipe "
            f"{recipe.name} names {list(recipe.classes)}"
        )
    if stored.network != recipe.network:
        different = [
            key
            for key, value in stored.network.model_dump().items()
            if value != recipe.network.model_dump()[key]
        ]
        raise ArtifactError(
            f"{path} was trained with another network.{', network.'.join(different)} than the "
            f"recipe {recipe.name} gives: train it with `hexdet train {recipe.name}`"
        )


def _load_weights(path: Path, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    expected = {k: v for k, v in network.state_dict().items() if not k.endswith(UNUSED)}
    wrong = sorted(expected.keys() ^ tensors.keys())
    wrong += [k for k in expected if k in tensors and expected[k].shape != tensors[k].shape]
    if wrong:
        raise ArtifactError(f"{path} does not fit its own network at {wrong[0]}: train it again")
    network.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
