"""The documented ways in which the tools mislead: what a tree was told to do, per tool."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "HEXDET_STAND_IN_MISBEHAVES"
FILE = Path("stand-in", "misbehaves")

FAULTS = {
    "no-output": "exit code 0, the usual success text, no file",
    "error-but-good": "[ERROR] lines and exit code 1, the file is good",
    "batch-shrunk": "exit code 0, every shape in the file smaller than asked",
    "zero-encodings": "no encoding of the overrides is applied, success is reported",
    "crash": "a Python traceback, exit code 1, no file",
    "hang": "no answer and no end, with a child process that hangs as well",
    "prepare-error": "[ERROR] while preparing, then the success text; no cache in the file",
    "truncated": "exit code 0, the usual success text, half a file",
    "unsupported-op": "an operator of the graph is refused by name",
    "unknown-target": "every chip is refused as not supported",
    "requantisation-error": "an [ERROR] about a scale, exit code 0, the file is good",
}


def faults_of(root: Path, tool: str) -> set[str]:
    """Return what a tool is to do wrong: lines `tool fault` of the tree's file, or pairs
    `tool=fault`, separated by commas, in the environment."""
    pairs = [pair.split("=") for pair in os.environ.get(VARIABLE, "").split(",") if pair]
    if (root / FILE).is_file():
        pairs += [line.split() for line in (root / FILE).read_text(encoding="utf-8").splitlines()]
    unknown = [pair for pair in pairs if len(pair) != 2 or pair[1] not in FAULTS]
    if unknown:
        raise SystemExit(f"stand-in: no such misbehaviour: {unknown[0]}; known: {list(FAULTS)}")
    return {fault for name, fault in pairs if name == tool}
