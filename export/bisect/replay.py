"""Running a case again: its one layer alone, on both sides.

python -m hexdet.export.bisect.replay FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from ...runtime.qnn import htp_options, open_session
from ...runtime.targets import find_target

Array = npt.NDArray[Any]


def replay(folder: Path) -> dict[str, dict[str, float] | None]:
    """Return how far the layer is from what the case holds, and one side from the other.

    found: the failed rung's result made again; expected: the reference's; alone: the reference's
    engine on the failed rung's inputs against the failed rung. None where a side cannot be run.
    """
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    count = len(case["inputs"])
    ours = [np.load(folder / f"input_{i}.npy") for i in range(count)]
    theirs = [np.load(folder / f"reference_input_{i}.npy") for i in range(count)]
    layer, other = folder / "layer.onnx", folder / "reference.onnx"
    reference = other if other.is_file() else layer
    engine, reference_engine = case["engine"], case["reference_engine"]
    found, expected = np.load(folder / "found.npy"), np.load(folder / "expected.npy")
    return {
        "found": _apart(_run(engine, layer, ours), found),
        "expected": _apart(_run(reference_engine, reference, theirs), expected),
        "alone": _apart(_run(reference_engine, reference, ours), found),
    }


def _run(engine: dict[str, str], graph: Path, inputs: list[Array]) -> Array | None:
    if engine["provider"] == "cpu":
        session = onnxruntime.InferenceSession(str(graph), providers=["CPUExecutionProvider"])
    elif engine["provider"] == "htp":
        session = open_session(graph, htp_options(find_target(engine["target"])))
    else:
        return None
    names = [value.name for value in session.get_inputs()]
    result: Array = session.run(None, dict(zip(names, inputs, strict=True)))[0]
    return result


def _apart(a: Array | None, b: Array) -> dict[str, float] | None:
    if a is None:
        return None
    apart = np.abs(a.astype(np.float64) - b)
    return {"max": float(apart.max()), "mean": float(apart.mean())}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(replay(Path(sys.argv[1])), indent=1) + "\n")
