"""The process that runs the probe graph on HTP and CPU, and writes how far apart they are.

python -m hexdet.doctor.probe_worker GRAPH RESULT
"""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path

import numpy as np

from ..runtime.htp import DEFAULT_ARCH
from ..runtime.qnn import htp_options, open_session
from ..runtime.targets import target_of_arch


def _probe(graph: Path) -> dict[str, float | str]:
    import onnxruntime

    on_board = platform.machine() in ("aarch64", "arm64")
    target = None if on_board else target_of_arch(DEFAULT_ARCH)
    start = time.perf_counter()
    htp = open_session(graph, htp_options(target))
    cpu = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    image = htp.get_inputs()[0]
    pixels = np.random.default_rng(0).integers(0, 256, image.shape, np.uint8)
    (found,), (expected,) = (s.run(None, {image.name: pixels}) for s in (htp, cpu))
    return {
        "place": "the DSP" if on_board else f"Hexagon v{DEFAULT_ARCH} emulated",
        "seconds": time.perf_counter() - start,
        "codes_apart": int(np.abs(found.astype(np.int64) - expected).max()),
    }


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(_probe(Path(sys.argv[1]))), encoding="utf-8")
