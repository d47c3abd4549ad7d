"""The process in which a graph is prepared and run under QNN's profiler.

python -m hexdet.benchmarks.emulator_worker GRAPH CHIP PIXELS RUNS FOLDER
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..runtime.files import write_text
from ..runtime.qnn import htp_options, open_session
from ..runtime.targets import find_target

if TYPE_CHECKING:
    import onnxruntime

ANSWER = "answer.json"
PROFILE = "profile.csv"
RECORDING = {"session.record_ep_graph_assignment_info": "1"}
LAX = {"session.disable_cpu_ep_fallback": "0"}


def run(graph: Path, chip: str, pixels: Path, runs: int, folder: Path) -> None:
    """Write `profile.csv` and, once all has gone well, `answer.json`.

    Where the HTP does not take the whole graph, the answer tells what it did take, and why not
    more; nothing is run then.
    """
    options = htp_options(find_target(chip)) | {
        "profiling_level": "detailed",
        "profiling_file_path": str(folder / PROFILE),
    }
    begun = time.monotonic()
    try:
        session = open_session(graph, options, RECORDING)
    except Exception as error:  # onnxruntime's own exceptions share no other base
        lax = open_session(graph, htp_options(find_target(chip)), RECORDING | LAX)
        _answer(folder, placement=_placement(lax), refused=str(error), prepare_s=0.0, run_s=[])
        return
    prepare_s = time.monotonic() - begun
    image = session.get_inputs()[0]
    value = np.load(pixels, allow_pickle=False)
    run_s = []
    for _ in range(runs):
        begun = time.monotonic()
        session.run(None, {image.name: value})
        run_s.append(time.monotonic() - begun)
    placement = _placement(session)
    del session  # the profile is complete when the session is gone
    _answer(folder, placement=placement, refused="", prepare_s=prepare_s, run_s=run_s)


def _placement(session: onnxruntime.InferenceSession) -> Mapping[str, list[str]]:
    """Return the nodes of the graph by the execution provider that takes them."""
    found: dict[str, list[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        names = found.setdefault(part.ep_name, [])
        names += [f"{node.name} ({node.op_type})" for node in part.get_nodes()]
    return found


def _answer(folder: Path, **values: object) -> None:
    write_text(folder / ANSWER, json.dumps(values))


if __name__ == "__main__":
    graph, chip, pixels, runs, folder = sys.argv[1:]
    run(Path(graph), chip, Path(pixels), int(runs), Path(folder))
