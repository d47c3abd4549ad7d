"""The rungs of the ladder for the DLCs that an SDK made, executed by the libraries of pip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import ArtifactError, NotRunError, ToolError
from ...runtime.backend import Backend
from ...runtime.contract import load_contract
from ..bundle import Bundle
from ..dlc_runner.backend import DlcBackend
from ..ladder import BASE, RungSpec
from ..tolerances import OTHER_TOOLS, QUANTIZED
from .about import INT8_DLC, read_about, sdk_folders
from .targets import FIRST_HTP


def sdk_rungs(bundle: Bundle, arch: int, time_limit_s: float) -> list[RungSpec]:
    """Return a rung for every INT8 DLC that an SDK made for a bundle.

    With our encodings it is held against our own graph on the emulator, else against the float
    graph. arch: of the emulator for a chip before the HTP, which nothing here emulates.
    """
    return [_rung(folder, arch, time_limit_s) for folder in sdk_folders(bundle)]


def _rung(folder: Path, arch: int, limit: float) -> RungSpec:
    key = f"sdk_{folder.name}"
    try:
        about = read_about(folder)
    except ArtifactError as error:
        title = f"{folder.name} by an SDK"
        return RungSpec(key=key, title=title, tolerance=OTHER_TOOLS, open=None, not_run=str(error))
    theirs = about["target"]["arch"]
    emulated = theirs if theirs >= FIRST_HTP else arch
    where = f"HTP v{emulated}" + ("" if emulated == theirs else f" for v{theirs}")
    ours = about["encodings"] == "ours"
    return RungSpec(
        key=key,
        title=f"{folder.name} by {about['sdk']}, {where}",
        tolerance=OTHER_TOOLS if ours else QUANTIZED,
        open=lambda: SdkDlcBackend(folder, emulated, limit),
        compare_with="int8_htp" if ours else BASE,
    )


class SdkDlcBackend(Backend):
    """The INT8 DLC of an SDK on the emulated HTP; its outputs come as real numbers.

    They are dequantized by the DLC's own encodings, which need not be those of the bundle.
    Raises NotRunError where the libraries of pip do not load it: it may be of another container
    version, or hold an operation that they lack.
    """

    def __init__(self, folder: Path, arch: int, time_limit_s: float) -> None:
        self.name = f"{folder.name}/{INT8_DLC}"
        self._contract = load_contract(folder)
        try:
            self._dlc = DlcBackend(folder, self._contract, arch=arch, time_limit_s=time_limit_s)
        except (ArtifactError, ToolError) as error:
            text = str(error).removeprefix("not run: ")
            raise NotRunError(f"not run: the libraries of pip do not load it: {text}") from error

    def run(self, pixels: Any) -> Mapping[str, Any]:
        """Return the outputs, float32, for pixels uint8 [1, h, w, 3]."""
        codes = self._dlc.run(pixels)
        known = self._contract.encodings
        return {n: np.asarray(known[n].dequantize(v), np.float32) for n, v in codes.items()}

    def close(self) -> None:
        """End the emulator's process."""
        self._dlc.close()
