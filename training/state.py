"""The whole state of a training, so that it can go on exactly where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load
from torch import Tensor, nn

from ..errors import ArtifactError
from ..recipe import Recipe, parse_recipe
from .checkpoint import some_names
from .ema import MovingAverage
from .tensor_file import write_tensors

FREE = ("workers", "cache_mib", "validate_every", "patience", "save_every")
"""Keys of the training's section that may change on resuming: no step depends on them."""


@dataclass(kw_only=True)
class Progress:
    """How far a training is: what its state holds beside tensors.

    epoch: that are complete. step: taken in the one that is not. losses: their sums in it, by name.
    best: AP@0.5 of the best validation. stale: validations since. seconds: so far. unreadable: how
    many times an image could not be read.
    """

    epoch: int = 0
    step: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    best: float = -1.0
    stale: int = 0
    seconds: float = 0.0
    unreadable: int = 0


def save_state(
    path: Path,
    recipe: Recipe,
    network: nn.Module,
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
    progress: dict[str, Any],
) -> None:
    """Write network, moving average and optimizer in full precision; `progress` is plain JSON."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("network", network), ("average", average.network)):
        for name, value in module.state_dict().items():
            tensors[f"{prefix}/{name}"] = value.detach().cpu().contiguous()
    for index, entries in optimizer.state_dict()["state"].items():
        for name, value in entries.items():
            if value is not None:
                tensors[f"optimizer/{index}/{name}"] = torch.as_tensor(value).cpu().contiguous()
    metadata = {
        "recipe": recipe.model_dump_json(),
        "progress": json.dumps({**progress, "average_updates": average.updates}),
    }
    write_tensors(path, tensors, metadata)


def read_state(path: Path) -> bytes:
    """Return the content of a state; raises ArtifactError where there is nothing to resume."""
    if not path.is_file():
        raise ArtifactError(f"nothing to resume: {path} is missing; train without --resume")
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}") from error


def restore_state(
    data: bytes,
    path: Path,
    recipe: Recipe,
    network: nn.Module,
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
) -> dict[str, Any]:
    """Restore what `save_state` wrote into `path`, read as `data`, and return its `progress`.

    Raises ArtifactError where it is damaged, is of another network, with the tensors that do not
    fit, or where the recipe's parts that shape the training differ from those of its start.
    """
    try:
        metadata = _metadata(data)
        tensors = load(data)
        stored = json.loads(metadata["recipe"])
        progress: dict[str, Any] = json.loads(metadata["progress"])
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged: {error}; train without --resume") from error
    # A recipe of an earlier version lacks newer keys; parsed, it has their defaults.
    then = parse_recipe(stored, f"{path} (recipe)").model_dump(mode="json")
    _check_same(path, then, recipe.model_dump(mode="json"))
    for prefix, module in (("network/", network), ("average/", average.network)):
        found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        _check_fit(path, module.state_dict(), found)
        module.load_state_dict(found)
    state = optimizer.state_dict()
    state["state"] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, index, name = key.split("/")
            state["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(state)
    average.updates = progress.pop("average_updates")
    return progress


def _metadata(data: bytes) -> dict[str, str]:
    """Return the texts of a safetensors file: its first 8 bytes are its header's length."""
    length = int.from_bytes(data[:8], "little")
    found: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return found


def _check_fit(path: Path, own: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    wrong = own.keys() ^ found.keys()
    wrong |= {k for k in own.keys() & found.keys() if own[k].shape != found[k].shape}
    if wrong:
        raise ArtifactError(
            f"{path} is of another network: it does not fit at {some_names(wrong)}; train without "
            f"--resume, or with the version of hexdet that began it"
        )


def _check_same(path: Path, stored: dict[str, Any], present: dict[str, Any]) -> None:
    for section in ("data", "network", "training"):
        for key, value in present[section].items():
            if key in FREE or stored[section].get(key) == value:
                continue
            raise ArtifactError(
                f"{path} was started with {section}.{key} = {stored[section].get(key)}, the "
                f"recipe says {value}: resume with the same recipe, or train without --resume"
            )
