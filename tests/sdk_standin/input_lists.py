"""Input lists and raws as the tools read them, held against the inputs of a DLC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import numpy.typing as npt


class ListError(Exception):
    """The list, or a file that it names, is not what the tool wants."""


@dataclass(frozen=True, kw_only=True)
class InputList:
    """outputs: after `#` (layers) or `%` (tensors) in the first lines. runs: path by input."""

    outputs: tuple[str, ...]
    runs: tuple[dict[str, Path], ...]


def read_list(path: Path, inputs: Sequence[str]) -> InputList:
    """Return what a list says; ListError where its grammar is broken (facts 3)."""
    outputs: list[str] = []
    runs: list[dict[str, Path]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        if line[0] in "#%":
            if runs:
                raise ListError(f"{path}:{number}: outputs are chosen in the first lines")
            outputs += line[1:].split()
            continue
        runs.append(_run(line, inputs, f"{path}:{number}"))
    if not runs:
        raise ListError(f"{path} names no input")
    return InputList(outputs=tuple(outputs), runs=tuple(runs))


def _run(line: str, inputs: Sequence[str], where: str) -> dict[str, Path]:
    words = line.rstrip("\r\n ").split(" ")
    if len(words) != len(inputs):
        raise ListError(f"{where}: {len(words)} inputs given, the network has {len(inputs)}")
    found = {}
    for word, default in zip(words, inputs, strict=True):
        name, sign, path = word.partition(":=")
        name, path = (name, path) if sign else (default, word)
        if name not in inputs:
            raise ListError(f"{where}: the network has no input {name}")
        if not Path(path).is_file():
            raise ListError(f"{where}: could not open file {path}")
        found[name] = Path(path)
    return found


def read_raw(path: Path, shape: Sequence[int], name: str) -> npt.NDArray[np.float32]:
    """Return a raw, float32 in the shape of the DLC's input; ListError for another size."""
    size, wanted = path.stat().st_size, 4 * prod(shape)
    if size != wanted:
        raise ListError(
            f"{path} has {size} bytes, the input {name} of {tuple(shape)} float32 has {wanted}"
        )
    values = np.fromfile(path, "<f4").reshape(shape)
    if not np.isfinite(values).all():
        raise ListError(f"{path} holds values that are not finite: it is no float32 raw")
    return values
