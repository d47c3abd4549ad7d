"""The cost of bundles, files and recipes, and how they stand beside the float graph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from ...errors import ArtifactError
from ...runtime.files import sha256_of
from ...runtime.scratch import scratch_folder
from .counting import NetworkCost, count
from .from_dlc import load_dlc
from .from_onnx import load_onnx

BUNDLE_FILES = ("float.onnx", "int8.onnx", "float.dlc", "int8.dlc")
SDK_MEMORY = re.compile(r"Memory Needed to Run:\s*([\d.]+)\s*MiB")
"""Older and newer dlc-info put different words before it."""
LOGS = ("*.log", "*info*.txt", "sdk/*.log", "sdk/*.txt")
"""Where a bundle may hold what the SDK's tools printed."""
LARGEST_LOG = 50 * 2**20


@dataclass(frozen=True, kw_only=True)
class Counted:
    """The cost of a file, whose content has the sha256; the bundle it is in, if any."""

    name: str
    sha256: str
    cost: NetworkCost


def measure(subject: str) -> list[Counted]:
    """Count a bundle's files, an ONNX or DLC file, or the untrained network of a recipe.

    Raises ArtifactError for what cannot be read, RecipeError for an unknown recipe.
    """
    path = Path(subject)
    if path.is_dir():
        files = [path / name for name in BUNDLE_FILES if (path / name).is_file()]
        if not files:
            raise ArtifactError(f"{path} holds none of {', '.join(BUNDLE_FILES)}: export it first")
        return [_counted(file) for file in files]
    if path.suffix.lower() in (".onnx", ".dlc"):
        if not path.is_file():
            raise ArtifactError(f"no file {path}")
        return [_counted(path)]
    return [_of_recipe(subject)]


def verdict(cost: NetworkCost, reference: NetworkCost) -> str:
    """Return in words whether a file does the work of the reference."""
    differences = [
        f"{getattr(cost, name) - getattr(reference, name):+,} {name}"
        for name in ("parameters", "macs", "peak")
        if getattr(cost, name) != getattr(reference, name)
    ]
    return ", ".join(differences) or "the same"


def sdk_memory(subjects: Iterable[str], given: Sequence[Path]) -> list[tuple[str, float]]:
    """Return what snpe-dlc-info printed as memory need, MiB, by the file that it stands in.

    given: files with its output, each of which must have the line; ArtifactError otherwise. The
    logs in bundles may have it. It is never computed here.
    """
    found = []
    for path in given:
        values = _printed(path)
        if not values:
            raise ArtifactError(f'{path} has no line "Memory Needed to Run": is it of dlc-info?')
        found.append((str(path), values[-1]))
    for folder in (Path(subject) for subject in subjects):
        logs = {log for pattern in LOGS for log in folder.glob(pattern)} if folder.is_dir() else ()
        for path in sorted(logs):
            found += [(str(path), value) for value in _printed(path)[-1:]]
    return found


def _printed(path: Path) -> list[float]:
    try:
        if path.stat().st_size > LARGEST_LOG:
            raise ArtifactError(f"{path} is too large to be a log of dlc-info")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
    return [float(value) for value in SDK_MEMORY.findall(text)]


def _counted(path: Path, name: str | None = None) -> Counted:
    """Count a file; it is called by its own and its folder's name where there is no other."""
    name = name or f"{path.resolve().parent.name}/{path.name}"
    network = load_dlc(path) if path.suffix.lower() == ".dlc" else load_onnx(path)
    cost = count(network, name, path.stat().st_size)
    return Counted(name=name, sha256=sha256_of(path), cost=cost)


def _of_recipe(name: str) -> Counted:
    """Count the float graph of a recipe's network as it is before any training."""
    from ...export.onnx_graph import export_float
    from ...recipe import load_recipe
    from ...training.checkpoint import network_of
    from ...training.contract import contract_of

    recipe = load_recipe(name)
    graphs = export_float(network_of(recipe), contract_of(recipe), recipe.export.opset)
    with scratch_folder() as folder:
        path = folder / "float.onnx"
        onnx.save(graphs.simplified, path)
        return _counted(path, f"{recipe.name} ({recipe.network.name}, untrained)")
