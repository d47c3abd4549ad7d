"""Checkpoints: weights and the resolved recipe in one safetensors file, written atomically."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from .. import __version__
from ..errors import ArtifactError
from ..recipe import Recipe, parse_recipe
from .contract import contract_of
from .networks import SSD, HeadSpec, build_network, variant_of
from .tensor_file import write_tensors

SHIPPED = Path(__file__).parent / "checkpoints"
SCHEMA = "1"
UNUSED = "num_batches_tracked"
"""Counters that only a batch norm without momentum reads."""
COVERS = "covers"
"""Metadata of a file that does not hold a whole network: the parts it does hold."""
HEADS = ("score_heads", "box_heads")
"""What a network begins anew where another number of classes or anchors is to be trained."""

log = logging.getLogger(__name__)


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
    return build_network(recipe.network.name, spec, variant_of(recipe.network))


def save_checkpoint(
    path: Path,
    network: nn.Module,
    recipe: Recipe,
    notes: dict[str, Any],
    *,
    dtype: torch.dtype = torch.float16,
    only: Collection[str] | None = None,
) -> Path:
    """Write the weights, and recipe and notes as metadata.

    only: the tensors to write, all where None; what holds a part is for `start_from` alone.
    Raises ArtifactError where a weight does not fit the dtype or the disk is full.
    """
    tensors = {
        name: value.detach().to("cpu", dtype).contiguous()
        for name, value in network.state_dict().items()
        if not name.endswith(UNUSED) and (only is None or name in only)
    }
    broken = [name for name, value in tensors.items() if not value.isfinite().all()]
    if broken:
        what = str(dtype).removeprefix("torch.")
        raise ArtifactError(f"{path}: {broken[0]} holds values that {what} cannot: not written")
    metadata = {
        "hexdet_schema": SCHEMA,
        "hexdet_version": __version__,
        "recipe": recipe.model_dump_json(),
        "notes": json.dumps(notes),
        **({COVERS: parts_of(tensors)} if only is not None else {}),
    }
    return write_tensors(path, tensors, metadata)


def load_checkpoint(path: Path, recipe: Recipe | None = None) -> Checkpoint:
    """Read a checkpoint; with a recipe, check that the checkpoint fits it.

    Raises ArtifactError where the file is missing (with the command that makes it), is no
    checkpoint of hexdet, holds a part of a network only, or has another network, class count or
    anchors than the recipe.
    """
    if not path.is_file():
        name = recipe.name if recipe else "RECIPE"
        raise ArtifactError(f"no checkpoint {path}: make it with `hexdet train {name}`")
    tensors, metadata = _read(path)
    if COVERS in metadata:
        raise ArtifactError(
            f"{path} holds {metadata[COVERS]} alone: give it as training.start_from and train"
        )
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

    What the file is not about keeps its random start, and the log says so: everything outside the
    part that an imported file holds, and heads for another number of classes or anchors. Raises
    ArtifactError where there is no such file, or where it is one of another network, with the
    tensors that do not fit.
    """
    path = Path(source)
    if not path.is_file():
        path = SHIPPED / f"{source}.safetensors"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.safetensors")))
        raise ArtifactError(
            f"training.start_from: no checkpoint {source!r}: shipped are {known}; weights from "
            f"elsewhere become one with `hexdet import`"
        )
    tensors, metadata = _read(path)
    own = {k: v for k, v in network.state_dict().items() if not k.endswith(UNUSED)}
    part = metadata.get(COVERS, "")
    apart = {k for k in own.keys() & tensors.keys() if own[k].shape != tensors[k].shape}
    missing = set() if part else own.keys() - tensors.keys()
    wrong = (tensors.keys() - own.keys()) | missing | {k for k in apart if not k.startswith(HEADS)}
    if wrong:
        raise ArtifactError(
            f"training.start_from: {path} does not fit this network at {some_names(wrong)}"
        )
    loaded = {k: v.float() for k, v in tensors.items() if k not in apart}
    network.load_state_dict(loaded, strict=False)
    new = own.keys() - loaded.keys()
    log.info(
        "start from %s: %d tensors%s%s",
        path,
        len(loaded),
        f" of {part}" if part else "",
        f"; new, with random weights: {parts_of(new)}" if new else "",
    )


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a checkpoint of hexdet."""
    try:
        with safetensors.safe_open(path, "pt") as stream:
            metadata = stream.metadata() or {}
        tensors = load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise ArtifactError(f"{path} is not a readable safetensors file: {error}") from error
    if metadata.get("hexdet_schema") != SCHEMA:
        raise ArtifactError(f"{path} is no checkpoint of this version of hexdet: train it again")
    return tensors, metadata


def some_names(names: Collection[str]) -> str:
    """Return the first three names and how many more there are."""
    shown = sorted(names)[:3]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def parts_of(names: Collection[str]) -> str:
    """Return the modules, two names deep, that tensors belong to."""
    return ", ".join(sorted({".".join(name.split(".")[:2]) for name in names}))


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
            f"recipe {recipe.name} gives{_other_anchors(stored, recipe)}: train it with "
            f"`hexdet train {recipe.name}`"
        )


def _other_anchors(stored: Recipe, recipe: Recipe) -> str:
    """Name the first level whose anchors differ; empty where none does."""
    levels = zip(stored.network.anchors, recipe.network.anchors, strict=False)
    for number, (theirs, ours) in enumerate(levels, 1):
        if theirs != ours:
            old, new = (", ".join(f"{w:g} x {h:g}" for w, h in level) for level in (theirs, ours))
            return f" (level {number}: {old} in the checkpoint, {new} in the recipe)"
    return ""


def _load_weights(path: Path, network: nn.Module, tensors: dict[str, Tensor]) -> None:
    expected = {k: v for k, v in network.state_dict().items() if not k.endswith(UNUSED)}
    wrong = sorted(expected.keys() ^ tensors.keys())
    wrong += [k for k in expected if k in tensors and expected[k].shape != tensors[k].shape]
    if wrong:
        raise ArtifactError(f"{path} does not fit its own network at {wrong[0]}: train it again")
    network.load_state_dict({k: v.float() for k, v in tensors.items()}, strict=False)
