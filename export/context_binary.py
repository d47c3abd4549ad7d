"""From the integer graph to a context binary: compiled for one chip, with nothing left to prepare.

python -m hexdet.export.context_binary GRAPH CHIP FOLDER
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import onnx

from ..errors import ArtifactError, NotRunError, ToolError
from ..runtime.contract import DetectorContract
from ..runtime.files import replacing_set, write_bytes
from ..runtime.htp import TIME_LIMIT_S, EmulatorProcess, IntegerBackend
from ..runtime.processes import ModuleProcess
from ..runtime.qnn import htp_options, open_session
from ..runtime.room import check_room
from ..runtime.scratch import scratch_folder
from ..runtime.targets import Target

WRITER = "hexdet.export.context_binary"
WRAPPER = "context.onnx"


def write_context_binary(
    int8_onnx: Path,
    target: Target,
    out_bin: Path,
    out_onnx: Path,
    time_limit_s: float,
    *,
    writer: str = WRITER,
) -> Path:
    """Compile an integer graph for a chip and return the path of the wrapper.

    out_bin: what the chip loads. out_onnx: a graph of one EPContext node that points at it by
        name, so that both must lie in one folder; onnxruntime-qnn opens this one.
    The libraries run in a process of their own. Raises ArtifactError for a missing graph,
    ToolError where they fail, take too long or do not take the whole graph.
    """
    if out_bin.parent != out_onnx.parent:
        raise ValueError(f"{out_bin} and {out_onnx} must lie in one folder")
    if not int8_onnx.is_file():
        raise ArtifactError(f"{int8_onnx} is missing: make it with `hexdet quantize`")
    what = f"compiling {int8_onnx.name} for {target.name}"
    with scratch_folder() as folder:
        check_room(folder, int8_onnx.stat().st_size)  # a binary is no smaller
        process = ModuleProcess(writer, [str(int8_onnx.resolve()), target.name, str(folder)])
        try:
            process.wait(what, time_limit_s)
        finally:
            process.close()
        wrapper, binary = _read(folder, what, process)
        wrapper.graph.node[0].attribute.append(
            onnx.helper.make_attribute("ep_cache_context", out_bin.name)
        )
        with replacing_set(out_onnx.parent, seal=out_onnx.name) as staged:
            write_bytes(staged / out_bin.name, binary)
            write_bytes(staged / out_onnx.name, wrapper.SerializeToString())
    return out_onnx


def context_paths(bundle: Path, target: Target) -> tuple[Path, Path]:
    """Return where a bundle keeps the context binary of a chip and its wrapper."""
    return bundle / f"{target.name}.bin", bundle / f"{target.name}.onnx"


class ContextBackend(IntegerBackend):
    """A bundle's context binary of one chip, executed on the emulator of that chip's Hexagon."""

    def __init__(
        self,
        bundle: Path,
        contract: DetectorContract,
        target: Target,
        *,
        time_limit_s: float = TIME_LIMIT_S,
    ) -> None:
        binary, wrapper = context_paths(bundle, target)
        for path in (wrapper, binary):
            if not path.is_file():
                raise ArtifactError(
                    f"{path} is missing: make it with `hexdet dlc {bundle} --target {target.name}`"
                )
        if platform.machine() not in ("x86_64", "AMD64"):
            raise NotRunError("not run: the emulator is for x86 alone")
        super().__init__(
            f"{binary.name} on the emulated HTP (v{target.arch})",
            contract,
            lambda: EmulatorProcess(wrapper, target, contract.output_shapes(), time_limit_s),
        )


def _read(folder: Path, what: str, process: ModuleProcess) -> tuple[onnx.ModelProto, bytes]:
    """Return the wrapper, its pointer taken out, and the binary that it pointed at."""
    path = folder / WRAPPER
    if not path.is_file():
        raise ToolError(f"{what} wrote nothing: {process.last_lines()}")
    wrapper = onnx.load(path)
    nodes = [node.op_type for node in wrapper.graph.node]
    if nodes != ["EPContext"]:
        raise ToolError(
            f"{what} left {len(nodes)} nodes instead of one: the HTP did not take the whole graph: "
            f"{process.last_lines()}"
        )
    node = wrapper.graph.node[0]
    pointers = [a for a in node.attribute if a.name == "ep_cache_context"]
    binary = folder / Path(pointers[0].s.decode()).name if pointers else folder
    if not binary.is_file() or binary.stat().st_size == 0:
        raise ToolError(f"{what} wrote no binary: {process.last_lines()}")
    node.attribute.remove(pointers[0])
    return wrapper, binary.read_bytes()


def _compile(graph: Path, target: Target, folder: Path) -> None:
    keys = {
        "ep.context_enable": "1",
        "ep.context_file_path": str(folder / WRAPPER),
        "ep.context_embed_mode": "0",
    }
    open_session(graph, htp_options(target), keys)


if __name__ == "__main__":
    from ..runtime.targets import find_target

    _compile(Path(sys.argv[1]), find_target(sys.argv[2]), Path(sys.argv[3]))
