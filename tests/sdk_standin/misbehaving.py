"""The documented ways in which the tools mislead: what a tree was told to do, per tool."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "HEXDET_STAND_IN_MISBEHAVES"
FILE = Path("stand-in", "misbehaves")

_CONVERTERS = frozenset({"snpe-onnx-to-dlc", "qairt-converter"})
_QUANTIZERS = frozenset({"snpe-dlc-quantize", "snpe-dlc-quant", "qairt-quantizer"})
_PREPARERS = frozenset({"snpe-dlc-graph-prepare", "snpe-dlc-quantize"})
_GENERATOR = frozenset({"qnn-context-binary-generator"})
_RUNNERS = frozenset({"snpe-net-run", "qnn-net-run"})
_WRITERS = _CONVERTERS | _QUANTIZERS | _PREPARERS | _GENERATOR

FAULTS: dict[str, tuple[str, frozenset[str] | None]] = {
    "no-output": ("exit code 0, the usual success text, no file", _WRITERS | _RUNNERS),
    "error-but-good": ("[ERROR] lines and exit code 1, the file is good", _WRITERS),
    "batch-shrunk": (
        "exit code 0, every shape in the file smaller than asked",
        _CONVERTERS | _RUNNERS,
    ),
    "zero-encodings": (
        "no encoding of the overrides is applied, success is reported",
        _CONVERTERS,
    ),
    "crash": ("a Python traceback, exit code 1, no file", None),
    "hang": ("no answer and no end, with a child process that hangs as well", None),
    "prepare-error": (
        "[ERROR] while preparing, then the success text; no cache in the file",
        _PREPARERS,
    ),
    "truncated": ("exit code 0, the usual success text, half a file", _WRITERS | _RUNNERS),
    "unsupported-op": ("an operator of the graph is refused by name", _CONVERTERS),
    "unknown-target": (
        "every chip is refused as not supported",
        _PREPARERS | {"qairt-converter", "qairt-quantizer"},
    ),
    "requantisation-error": (
        "an [ERROR] about a scale, exit code 0, the file is good",
        _GENERATOR,
    ),
}
"""What each does, and the tools that can; None for all."""


def check_fault(tool: str, fault: str) -> None:
    """Raise ValueError where there is no such misbehaviour, or not of this tool."""
    if fault not in FAULTS:
        raise ValueError(f"no such misbehaviour: {fault}; known: {', '.join(FAULTS)}")
    tools = FAULTS[fault][1]
    if tools is not None and tool not in tools:
        raise ValueError(f"{tool} cannot do {fault}; {', '.join(sorted(tools))} can")


def faults_of(root: Path, tool: str) -> set[str]:
    """Return what a tool is to do wrong: lines `tool fault` of the tree's file, or pairs
    `tool=fault`, separated by commas, in the environment."""
    pairs = [pair.split("=") for pair in os.environ.get(VARIABLE, "").split(",") if pair]
    if (root / FILE).is_file():
        pairs += [line.split() for line in (root / FILE).read_text(encoding="utf-8").splitlines()]
    for pair in pairs:
        check_fault(pair[0], pair[-1])
    return {fault for name, fault in pairs if name == tool}
