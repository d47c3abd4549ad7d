"""Whether a tool's step succeeded: by the file that it left, and not by what it says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import onnx

from ...errors import ArtifactError, ToolError
from ...runtime.contract import DetectorContract
from ..dlc_file import DlcFile, read_dlc
from .calls import Call, Toolbox
from .staging import layout_of

_PROCESSED = re.compile(r"Processed (\d+) quantization encodings")
_NO_CACHE = re.compile(r"\[ERROR\].*(graph cache|[Pp]repare|HTP)")
_UNKNOWN_CHIP = re.compile(
    r"\bSOC\b[^\n]*not (supported|known|valid)|(unknown|invalid) soc\b", re.I
)
_OF_AN_OPERATOR = re.compile(r"\b(op|ops|operator|operation|node|layer|translation)\b", re.I)
_OLD_PYTHON = re.compile(r"ImportError|cannot import name|undefined symbol|ModuleNotFoundError")


def judge(box: Toolbox, call: Call, output: Path, contract: DetectorContract) -> DlcFile:
    """Return the DLC that a step wrote; ToolError where there is none, or not the one asked for.

    The exit code and lines that speak of errors decide nothing here: each is known to be wrong in
    both directions. See `disagreement`.
    """
    if not output.is_file() or output.stat().st_size == 0:
        raise ToolError(f"{_ended(call)} and wrote no {output.name}: {explain(box, call)}")
    try:
        dlc = read_dlc(output)
        inputs, outputs = dlc.model.inputs, {t.name: t.shape for t in dlc.model.outputs}
    except ArtifactError as error:
        raise ToolError(f"{_ended(call)}, but what it wrote cannot be read: {error}") from error
    processed = _PROCESSED.search(call.log)
    if processed is not None and int(processed[1]) == 0:
        raise ToolError(
            f"{call.tool} processed 0 quantization encodings: none of the names in the overrides "
            f"is one of the graph's, and it went on without them"
        )
    if len(inputs) != 1:
        raise ToolError(f"{call.tool} wrote a DLC with {len(inputs)} inputs instead of one")
    layout_of(inputs[0].shape, contract.input)
    wanted = contract.output_shapes()
    for name, shape in wanted.items():
        if outputs.get(name) != shape:
            raise ToolError(
                f"{call.tool} wrote a DLC whose output {name} is {outputs.get(name, 'missing')}, "
                f"not {shape}: a batch or a layout was changed without a word"
            )
    return dlc


def disagreement(call: Call) -> str:
    """Return, in words, where exit code or printout speak against a good file; else nothing."""
    errors = call.error_lines
    if call.exit_code == 0 and not errors:
        return ""
    said = f": {errors[0]}" if errors else ""
    return f"{_ended(call)}{said}; its file is there and was read, so the step counts as done"


def check_cache(call: Call, before: DlcFile | None, after: DlcFile) -> None:
    """Raise ToolError where a preparation for the HTP left no cache record in the DLC.

    before: the same DLC without it; None where quantizing and preparing are one step.
    """
    failed = [line for line in call.error_lines if _NO_CACHE.search(line)]
    if before is None:
        grown = not failed
    else:
        old, new = ({entry.name for entry in dlc.entries} for dlc in (before, after))
        grown = bool(new - old) or after.size_bytes > before.size_bytes
    if not grown:
        said = failed[0] if failed else call.last_lines
        raise ToolError(f"{_ended(call)}, but its DLC holds no cache for the HTP: {said}")


def _ended(call: Call) -> str:
    return f"{call.tool} ended with exit code {call.exit_code}"


def explain(box: Toolbox, call: Call) -> str:
    """Return why a tool failed in its own words, and what to do where the reason is a known one."""
    errors = call.error_lines
    said = errors[0] if errors else call.last_lines
    text = call.log
    if _OLD_PYTHON.search(text):
        python = box.sdk.python
        used = f"; it ran on {python.path}" if python else ""
        return (
            f"{call.last_lines}{used}: its Python lacks a package that the SDK names, or is not of "
            f"the minor version that its modules are built for"
        )
    if _UNKNOWN_CHIP.search(text):
        return (
            f"{said}: {box.sdk.title} does not know this chip: take one of the same Hexagon "
            f"version that it knows, a newer SDK, or export.sdk.prepare=none"
        )
    if "symmmetric" in text or "required to be symmetric" in text:
        return (
            f"{said}: encodings by channel must be symmetric: set quantization.weights=per_channel "
            f"and quantize again"
        )
    return said


def blamed_node(call: Call, graph: Path) -> str:
    """Return which node a converter's error names, by name, tensor or type; else nothing."""
    text = " ".join(call.error_lines) or call.last_lines
    nodes: Sequence[onnx.NodeProto] = onnx.load(graph, load_external_data=False).graph.node
    if not _OF_AN_OPERATOR.search(text):
        return ""
    for node in nodes:
        if any(_names(name, text) for name in (node.name, *node.output)):
            return _node(node)
    for node in nodes:
        if re.search(rf"\b(onnx_)?{re.escape(node.op_type)}\b", text, re.I):
            return _node(node)
    return ""


def _names(name: str, text: str) -> bool:
    """Tell whether a text has a name as a whole, and not within a longer one."""
    return bool(name) and re.search(rf"(?<![\w/]){re.escape(name)}(?![\w/])", text) is not None


def _node(node: onnx.NodeProto) -> str:
    return f"{node.op_type} at {node.name or node.output[0]!r}"
