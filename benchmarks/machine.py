"""The machine that a measurement was made on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from ..export.bundle import versions

PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What decides how long numpy and OpenCV take. versions: of hexdet, Python and packages."""

    cpu: str
    cores: int
    system: str
    versions: dict[str, str]

    @property
    def title(self) -> str:
        """The machine in a line."""
        return f"{self.cpu}, {self.cores} cores, {self.system}"


def this_machine() -> Machine:
    """Return the machine that this process runs on."""
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        versions=versions(PACKAGES),
    )


def _cpu() -> str:
    """Return the processor's own name where Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
