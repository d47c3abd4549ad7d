"""A copy of a DLC whose every activation is an output, so that its layers can be seen at work."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import ArtifactError
from .container import open_archive
from .dtypes import dtype_name
from .flat import root
from .limits import Ledger
from .reader import HEADER_BYTES
from .schema_v4 import LOCATION_NATIVE, LOCATION_OUTPUT, MODEL_ID, ModelTable, TensorTable

CODES = "uFxp_8"


def expose_activations(path: Path, target: Path) -> dict[str, tuple[int, ...]]:
    """Write the copy; return the shape of every 8-bit activation and output, by its DLC name.

    Nothing but the place of a tensor changes, from native to output: four bytes each, where they
    stand. Weights, encodings and nodes are those of the file. Raises ArtifactError for a file that
    is no container v4 of one graph.
    """
    archive = open_archive(path)
    model = archive.read("model")
    if model is None:
        raise ArtifactError(f"{path} has no entry 'model'")
    ledger = Ledger(archive.what, len(archive.data))
    graphs = root(model[HEADER_BYTES:], MODEL_ID, ModelTable, ledger).graphs
    if len(graphs) != 1:
        raise ArtifactError(f"{path} holds {len(graphs)} graphs instead of one")
    start = archive.entries["model"].offset + HEADER_BYTES
    content = bytearray(archive.data)
    shapes: dict[str, tuple[int, ...]] = {}
    for tensor in graphs[0].tensors:
        if tensor.location not in (LOCATION_NATIVE, LOCATION_OUTPUT) or not _is_codes(tensor):
            continue
        at = start + tensor.location_position
        content[at : at + 4] = LOCATION_OUTPUT.to_bytes(4, "little")
        shapes[tensor.name] = tuple(int(size) for size in tensor.shape)
    target.write_bytes(content)
    return shapes


def composed_name(name: str) -> str:
    """Return the name that QNN gives a DLC's tensor when it composes the graph."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def _is_codes(tensor: TensorTable) -> bool:
    return dtype_name(tensor.dtype) == CODES
