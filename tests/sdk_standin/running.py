"""One call of a tool: what it was given, and how it logs, fails and delivers its file."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from sdk_standin.flags import Arguments
from sdk_standin.versions import Version

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CALLS = Path("stand-in", "calls.jsonl")


def remember(root: Path, call: dict[str, Any]) -> None:
    """Append a call to a tree's calls.jsonl, for whoever tests a driver."""
    with (root / CALLS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(call) + "\n")


class ToolError(Exception):
    """The tool ends with exit code 1 and this text."""

    def __init__(self, text: str, *, stdout: bool = False) -> None:
        super().__init__(text)
        self._stdout = stdout

    @property
    def stream(self) -> TextIO:
        """Return where the text goes."""
        return sys.stdout if self._stdout else sys.stderr


@dataclass(frozen=True, kw_only=True)
class Job:
    """A tool, its SDK, its checked arguments, and what it shall do wrong."""

    root: Path
    tool: str
    version: Version
    arguments: Arguments
    faults: frozenset[str]
    raws: list[dict[str, Any]] = field(default_factory=list)

    def saw_raw(self, path: Path, name: str, values: npt.NDArray[np.float32]) -> None:
        """Note what a raw holds as the DLC's layout reads it: its channels tell a wrong layout."""
        means = values.mean(axis=tuple(range(values.ndim - 1)), dtype="float64")
        self.raws.append(
            {
                "path": str(path),
                "input": name,
                "shape": list(values.shape),
                "means_of_last_axis": [round(float(mean), 6) for mean in means],
            }
        )

    def remember(self, code: int) -> None:
        """Note the call in the tree."""
        call = {
            "tool": self.tool,
            "arguments": [[flag.name, *words] for flag, words in self.arguments.given],
            "unheeded": self.arguments.unheeded,
            "code": code,
            "raws": self.raws,
        }
        remember(self.root, call)

    def log(self, level: str, text: str) -> None:
        """Print as the converters do: to stderr, with time, line number and level."""
        now = time.strftime("%Y-%m-%d %H:%M:%S") + f",{int(time.time() * 1000) % 1000:03d}"
        print(f"{now} - 235 - {level} - {text}", file=sys.stderr, flush=True)

    def info(self, text: str) -> None:
        """Print an [INFO] line to stdout, as the quantizers do."""
        print(f"[INFO] {text}", flush=True)

    def warn(self, text: str) -> None:
        """Print a [WARNING] line to stdout."""
        print(f"[WARNING] {text}", flush=True)

    def error(self, text: str) -> None:
        """Print an [ERROR] line to stdout."""
        print(f"[ERROR] {text}", flush=True)

    def warn_deprecated(self) -> None:
        """Warn of every deprecated flag that was given."""
        for flag, _ in self.arguments.given:
            if "deprecated" in flag.rules:
                self.warn(f"{flag.name} is deprecated.")

    @property
    def command(self) -> tuple[str, dict[str, str]]:
        """Return what a DLC records of the call."""
        given = {f.name.removeprefix("--"): " ".join(w) for f, w in self.arguments.given}
        return self.tool, given

    def deliver(self, scratch: Path, target: Path) -> None:
        """Move a finished file to its place, unless the faults say otherwise."""
        if "error-but-good" in self.faults:
            self.error("something went wrong (the file is good)")
        if "no-output" in self.faults:
            scratch.unlink()
            return
        if "truncated" in self.faults:
            content = scratch.read_bytes()
            scratch.write_bytes(content[: len(content) // 2])
        scratch.replace(target)
