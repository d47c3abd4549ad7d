"""The backend that executes a bundle's `int8.dlc` on the emulated HTP."""

from __future__ import annotations

import platform
from pathlib import Path

from ...errors import ArtifactError, NotRunError
from ...runtime.contract import DetectorContract
from ...runtime.htp import TIME_LIMIT_S, EmulatorProcess, IntegerBackend
from ...runtime.targets import target_of_arch

FILE_NAME = "int8.dlc"
WORKER = "hexdet.export.dlc_runner.worker"


class DlcBackend(IntegerBackend):
    """A bundle's `int8.dlc` itself, loaded and executed by Qualcomm's libraries."""

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
            raise ArtifactError(f"{path} is missing: make it with `hexdet dlc {bundle}`")
        if platform.machine() not in ("x86_64", "AMD64"):
            raise NotRunError("not run: a DLC is executed on the emulator, which is for x86 alone")
        shapes, target = contract.output_shapes(), target_of_arch(arch)
        super().__init__(
            f"{FILE_NAME} executed on the emulated HTP (v{arch})",
            contract,
            lambda: EmulatorProcess(path, target, shapes, time_limit_s, WORKER),
        )
