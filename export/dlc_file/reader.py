"""The way in: open a DLC of any container version and return what it says."""

from __future__ import annotations

from pathlib import Path

from . import graph_v2, graph_v3, graph_v4
from .container import Archive, open_archive
from .limits import Ledger
from .metadata import read_metadata
from .model import DlcFile, DlcGraph

_MAGIC = b"\xd5\x0a"
HEADER_BYTES = 8


def read_dlc(path: str | Path) -> DlcFile:
    """Read a DLC: container, metadata, graphs; the values of its tensors when they are asked for.

    Containers v2 (SNPE 1.19), v3 (SNPE 1.35 to 1.56) and v4 (SNPE 2, libQnnIr) are read.
    Raises ArtifactError for everything that is not such a file, or is a damaged one.
    """
    path = Path(path)
    archive = open_archive(path)
    ledger = Ledger(archive.what, len(archive.data))
    metadata = read_metadata(archive, ledger)
    version, graphs = _graphs(archive, ledger)
    return DlcFile(
        path=path,
        container_version=version,
        size_bytes=len(archive.data),
        entries=tuple(archive.entries.values()),
        metadata=metadata.values,
        converter_version=metadata.converter_version,
        converter_command=metadata.converter_command,
        graphs=graphs,
    )


def _graphs(archive: Archive, ledger: Ledger) -> tuple[int, tuple[DlcGraph, ...]]:
    model = archive.read("model")
    if model is None:
        raise ledger.damaged("it has no entry 'model'")
    version = _version(model, ledger)
    body = model[HEADER_BYTES:]
    parameters = archive.read("model.params")
    if parameters is not None and len(parameters):
        if _version(parameters, ledger) != version:
            raise ledger.damaged("its parts are of different versions")
        parameters = parameters[HEADER_BYTES:]
    match version:
        case 2:
            return version, graph_v2.read_graphs(body, ledger)
        case 3:
            return version, graph_v3.read_graphs(body, parameters, ledger)
        case 4:
            binary = archive.read("model.params.bin")
            return version, graph_v4.read_graphs(body, parameters, binary, ledger)
        case _:
            raise ledger.damaged(f"container version {version} is not known here")


def _version(part: memoryview, ledger: Ledger) -> int:
    """Return the container version that the 8-byte header of a part gives."""
    if len(part) < HEADER_BYTES or bytes(part[:2]) != _MAGIC:
        raise ledger.damaged("a part of it does not begin with the bytes D5 0A")
    return int.from_bytes(part[2:4], "little")
