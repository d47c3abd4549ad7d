"""What a fence of the documentation may need, and whether it is here."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

DATA = Path(os.environ.get("HEXDET_DATA") or "data").resolve()
SDK_ROOTS = ("QAIRT_SDK_ROOT", "QNN_SDK_ROOT", "SNPE_ROOT")


def _phone() -> bool:
    listed = _said("adb", "devices")
    return any(line.endswith("\tdevice") for line in listed.splitlines())


def _containers() -> bool:
    """Tell whether an engine runs, with a builder and compose: the program alone does nothing."""
    return bool(_said("docker", "info") and _said("docker", "compose", "version"))


def _said(*words: str) -> str:
    """Return what a program printed; nothing where it is missing, fails or does not answer."""
    if shutil.which(words[0]) is None:
        return ""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


NEEDS: dict[str, tuple[str, Callable[[], bool]]] = {
    "adb": ("a phone or board behind adb", _phone),
    "sdk": (
        f"Qualcomm's SDK, named by {', '.join(SDK_ROOTS)}",
        lambda: any(os.environ.get(name) for name in SDK_ROOTS),
    ),
    "board": (
        "a Snapdragon board that runs Linux",
        lambda: platform.machine() == "aarch64" and any(Path("/dev").glob("fastrpc-cdsp*")),
    ),
    "gpu": ("several GPUs", lambda: shutil.which("nvidia-smi") is not None),
    "container": ("a container engine that runs, with compose", _containers),
    "camera": ("a camera", lambda: Path("/dev/video0").exists()),
    "cluster": ("a cluster of machines", lambda: False),
    "dataset": (f"BCCD in {DATA / 'bccd'}", lambda: (DATA / "bccd" / "BCCD").is_dir()),
    "models": (
        f"the networks of others in {DATA.parent / 'models'}",
        lambda: (DATA.parent / "models").is_dir() and DATA.is_dir(),
    ),
    "aimet": ("the extra aimet", lambda: importlib.util.find_spec("aimet_onnx") is not None),
}
"""By the word in a page: what it means, and whether it is met. `time` is met by --slow."""
