"""A process of its own: what opening a detector and running it adds to the resident memory.

python -m hexdet.benchmarks.compare_memory SUBJECT THREADS
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys

import numpy as np

from .contestants import PREFIX, open_contestant
from .host_memory import RUNS, resident_bytes

PICTURE = (480, 640, 3)
LIBRARIES = ("torch", "torchvision.models.detection")


def increment(subject: str, threads: int) -> int | None:
    """Open a detector, run it, and return the peak above what was resident before, bytes.

    The libraries themselves are loaded before: they are the runtime's size, not the network's.
    """
    import onnxruntime  # noqa: F401

    if subject.startswith(PREFIX):
        with contextlib.suppress(Exception):
            for name in LIBRARIES:
                importlib.import_module(name)
    before = resident_bytes()
    contestant = open_contestant(subject, threads)
    for _ in range(RUNS):
        contestant.detect(np.zeros(PICTURE, np.uint8))
    peak = resident_bytes("VmHWM")
    return None if before is None or peak is None else max(0, peak - before)


if __name__ == "__main__":
    print(json.dumps({"increment": increment(sys.argv[1], int(sys.argv[2]))}))
