"""The machine that a measurement was made on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from .. import __version__

PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What decides how long numpy and OpenCV take. versions: of hexdet, Python and packages."""

    cpu: str
    cores: int
    system: str
    versions: dict[str, str]


def this_machine() -> Machine:
    """Return the machine that this process runs on."""
    versions = {"hexdet": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "unknown"
    return Machine(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        versions=versions,
    )


def _cpu() -> str:
    """Return the processor's own name where Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
