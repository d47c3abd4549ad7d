"""Writing tensors as safetensors: the same content gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from ..runtime.files import write_bytes

LENGTH_BYTES, ALIGNMENT = 8, 8
"""Of the header: the number in front of it, and what it is filled up to with spaces."""


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Path:
    """Write tensors (contiguous, on the CPU) and texts; ArtifactError where the disk is full.

    The library writes the metadata in an order that changes from process to process.
    """
    # Not its `save_file`: what it raises on a full disk is no OSError, and says no path.
    data = save(dict(tensors), dict(metadata))
    end = LENGTH_BYTES + int.from_bytes(data[:LENGTH_BYTES], "little")
    header = json.loads(data[LENGTH_BYTES:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return write_bytes(path, len(text).to_bytes(LENGTH_BYTES, "little") + text + data[end:])
