"""A process of its own: what opening a network and running it adds to the resident memory.

python -m hexdet.benchmarks.host_memory BUNDLE PRECISION THREADS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from ..runtime.backend import CpuBackend
from ..runtime.contract import load_contract

RUNS = 3
STATUS = Path("/proc/self/status")


def resident_bytes(field: str = "VmRSS") -> int | None:
    """Return a memory figure of this process by its name in proc(5); None where there is none."""
    try:
        lines = STATUS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    values = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(values[0]) * 1024 if values else None


def increment(bundle: Path, precision: str, threads: int) -> int | None:
    """Open a bundle's graph, run it, and return the peak above what was resident before."""
    import onnxruntime  # noqa: F401  # its libraries are the runtime's own size, not the network's

    contract = load_contract(bundle)
    pixels = np.zeros((1, contract.input.height, contract.input.width, 3), np.uint8)
    before = resident_bytes()
    chosen = "int8" if precision == "int8" else "float"
    with CpuBackend(bundle, contract, chosen, threads=threads) as backend:  # type: ignore[arg-type]
        for _ in range(RUNS):
            backend.run(pixels)
        peak = resident_bytes("VmHWM")
    return None if before is None or peak is None else max(0, peak - before)


if __name__ == "__main__":
    print(json.dumps({"increment": increment(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))}))
