"""The whole state of a training at the end of an epoch, so that it can go on exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..errors import ArtifactError
from ..recipe import Recipe, parse_recipe
from ..runtime.files import write_bytes
from .ema import MovingAverage

FILE_NAME = "state.safetensors"


def save_state(
    folder: Path,
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
    # Not `save_file`: what it raises on a full disk is no OSError, and says no path.
    write_bytes(folder / FILE_NAME, save(tensors, metadata))


def load_state(
    folder: Path,
    recipe: Recipe,
    network: nn.Module,
    average: MovingAverage,
    optimizer: torch.optim.Optimizer,
) -> dict[str, Any]:
    """Restore what `save_state` wrote and return its `progress`.

    Raises ArtifactError where there is nothing to resume, the file is damaged, or the recipe's
    parts that shape the training differ from those it was started with.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise ArtifactError(f"nothing to resume: {path} is missing; train without --resume")
    try:
        with safetensors.safe_open(path, "pt") as stream:
            metadata = stream.metadata()
        tensors = load_file(path)
        stored = json.loads(metadata["recipe"])
        progress: dict[str, Any] = json.loads(metadata["progress"])
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is damaged: {error}; train without --resume") from error
    # A recipe of an earlier version lacks newer keys; parsed, it has their defaults.
    then = parse_recipe(stored, f"{path} (recipe)").model_dump(mode="json")
    _check_same(path, then, recipe.model_dump(mode="json"))
    for prefix, module in (("network/", network), ("average/", average.network)):
        module.load_state_dict(
            {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        )
    state = optimizer.state_dict()
    state["state"] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer/"):
            _, index, name = key.split("/")
            state["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(state)
    average.updates = progress.pop("average_updates")
    return progress


def _check_same(path: Path, stored: dict[str, Any], present: dict[str, Any]) -> None:
    for section in ("data", "network", "training"):
        for key, value in present[section].items():
            # Neither the number of workers nor how often one looks changes the result.
            if key in ("workers", "validate_every") or stored[section].get(key) == value:
                continue
            raise ArtifactError(
                f"{path} was started with {section}.{key} = {stored[section].get(key)}, the "
                f"recipe says {value}: resume with the same recipe, or train without --resume"
            )
