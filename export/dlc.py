"""From an ONNX graph to the deliverable: a DLC written by Qualcomm's own libraries."""

from __future__ import annotations

from pathlib import Path

from ..errors import ToolError
from ..runtime.files import write_bytes
from ..runtime.processes import ModuleProcess
from ..runtime.room import check_room
from ..runtime.scratch import scratch_folder
from .dlc_file.times import without_times

WRITER = "hexdet.export.dlc_writer"


def write_dlc(graph: Path, target: Path, time_limit_s: float, *, writer: str = WRITER) -> Path:
    """Write a float or QDQ graph as a DLC and return its path.

    The libraries run in a process of their own. The result is judged by what they wrote: exactly
    one DLC means that they took the whole graph; more mean that it fell into pieces, with parts
    in between that would run on the CPU. Raises ToolError.
    """
    what = f"writing {target.name}"
    with scratch_folder() as folder:
        check_room(folder, graph.stat().st_size)  # a DLC is no smaller
        process = ModuleProcess(writer, [str(graph.resolve()), str(folder)])
        try:
            process.wait(what, time_limit_s)
        finally:
            process.close()
        found = sorted(folder.glob("*.dlc"))
        if len(found) != 1 or found[0].stat().st_size == 0:
            raise ToolError(
                f"{what} gave {len(found)} DLCs instead of one: the HTP did not take the whole "
                f"graph {graph.name}: {process.last_lines()}"
            )
        return write_bytes(target, without_times(found[0].read_bytes(), what))
