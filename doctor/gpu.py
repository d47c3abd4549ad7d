"""The GPU: what its driver says of it, and whether the installed torch can use it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence

from .finding import Finding

QUERY = ("--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
DRIVER_LIMIT_S = 20.0


def gpu(built_for: str | None, usable: Sequence[str]) -> Finding:
    """Look at the GPU; it is optional and only training gains by it.

    built_for: the CUDA version that torch was built for, empty for a CPU build, None where torch
    was not imported. usable: the names of the GPUs that torch can use.
    """
    seen, trouble = _driver()
    if usable:
        found = f"{'; '.join(seen) or ', '.join(usable)}; torch uses it (CUDA {built_for})"
        return Finding(what="GPU", status="ok", found=found)
    if trouble:
        advice = "look after its driver: nvidia-smi must answer"
        return Finding(what="GPU", status="broken", found=trouble, advice=advice)
    if not seen:
        return Finding(what="GPU", status="missing", found="none; training runs on the CPU")
    if built_for is None:
        return Finding(what="GPU", status="ok", found=f"{'; '.join(seen)}; torch is not installed")
    build = f"built for CUDA {built_for}" if built_for else "a build for the CPU"
    return Finding(
        what="GPU",
        status="differs",
        found=f"{'; '.join(seen)}, but torch is {build} and cannot use it",
        advice="install the torch of this version and of the driver's CUDA: "
        "https://pytorch.org/get-started/locally",
    )


def _driver() -> tuple[list[str], str]:
    """Return a line a GPU as NVIDIA's driver sees it, and what is wrong with the driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return [], ""
    try:
        done = subprocess.run(
            [tool, *QUERY], capture_output=True, text=True, timeout=DRIVER_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return [], f"nvidia-smi gave no answer: {error}"
    lines = [line.strip() for line in (done.stdout or done.stderr).splitlines() if line.strip()]
    if done.returncode != 0:
        return [], f"nvidia-smi: {lines[0] if lines else f'exit code {done.returncode}'}"
    return lines, ""
