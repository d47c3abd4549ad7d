"""Reading a `.pth` file: tensors by their names, and nothing that could run."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...errors import ArtifactError

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
"""Keys under which a training's file may keep the state dict."""
PARALLEL = "module."
"""What nn.DataParallel puts before every name."""
COUNTER = "num_batches_tracked"
DAMAGE = (RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, struct.error)
"""What torch raises on a file that is damaged or none of its own."""


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a `.pth` file by their names, float32, without batch counters.

    Only tensors in plain containers are read: anything else that a pickle can hold, code above
    all, is refused and not executed. Raises ArtifactError.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ArtifactError(
            f"{path} is damaged or holds more than tensors. Pickled objects can run code and are "
            f"not loaded: save the network's state_dict() alone ({_short(error)})"
        ) from error
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror or error}") from error
    except DAMAGE as error:
        raise ArtifactError(f"{path} is no readable file of torch.save: {_short(error)}") from error
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not (
        isinstance(content, Mapping)
        and content
        and all(isinstance(value, Tensor) for value in content.values())
    ):
        raise ArtifactError(f"{path} holds no state dict: names with tensors, and nothing else")
    named = {str(name).removeprefix(PARALLEL): value for name, value in content.items()}
    broken = [name for name, value in named.items() if not bool(value.isfinite().all())]
    if broken:
        raise ArtifactError(f"{path}: {broken[0]} holds values that are not finite")
    return {name: v.float() for name, v in named.items() if not name.endswith(COUNTER)}


def _short(error: Exception) -> str:
    """Return the first line of what torch says, which goes on with advice to load it all."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].split(". ")[0]
