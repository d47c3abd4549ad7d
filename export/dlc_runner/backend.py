"""The backend that executes a bundle's `int8.dlc` on the emulated HTP."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import ArtifactError, ToolError
from ...runtime.backend import Backend, output_encodings
from ...runtime.contract import DetectorContract
from ...runtime.encodings import Encoding
from ...runtime.htp import TIME_LIMIT_S, EmulatorProcess
from ...runtime.targets import target_of_arch

FILE_NAME = "int8.dlc"
WORKER = "hexdet.export.dlc_runner.worker"


class DlcBackend(Backend):
    """A bundle's `int8.dlc` itself, loaded and executed by Qualcomm's libraries.

    It runs on the emulator, in a process of its own with a time limit: its outputs may differ from
    silicon in their last bits, and its time says nothing about a device.
    """

    def __init__(
        self,
        bundle: Path,
        contract: DetectorContract,
        *,
        arch: int = 73,
        time_limit_s: float = TIME_LIMIT_S,
    ) -> None:
        path = bundle / FILE_NAME
        if not path.is_file():
            raise ArtifactError(f"{path} is missing: make it with `hexdet dlc`")
        if platform.machine() not in ("x86_64", "AMD64"):
            raise ToolError("not run: a DLC is executed on the emulator, which is for x86 alone")
        self.name = f"{FILE_NAME} executed on the emulated HTP (v{arch})"
        self._encodings = output_encodings(contract, "int8")
        self._emulator = EmulatorProcess(
            path, target_of_arch(arch), contract.output_shapes(), time_limit_s, WORKER
        )

    @property
    def encodings(self) -> Mapping[str, Encoding]:
        """Return the encodings of the outputs."""
        return self._encodings

    def run(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """Return the uint8 outputs for pixels uint8 [1, h, w, 3].

        Raises ToolError where the emulator dies or takes longer than its limit.
        """
        return self._emulator.run(pixels)

    def close(self) -> None:
        """End the emulator's process."""
        self._emulator.close()
