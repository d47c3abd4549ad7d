"""Running one of the SDK's tools: argument lists only, a time limit, and a record of everything."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import ToolError
from .discovery import Sdk
from .interpreter import added_environment, tool_environment

_FLAG = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)")
HELP_LIMIT_S = 120.0
SHOWN_LINES = 6
ATTACHED = ("snpe-dlc-quantize", "snpe-dlc-quant", "snpe-dlc-graph-prepare")
"""The tools that are written --key=value; all others take the value as the next word."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a tool after its end. environment: what was set beside the caller's own.

    exit_code: None where it was ended at the time limit. log: everything it printed.
    """

    tool: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    exit_code: int | None
    seconds: float
    log: str

    def to_paste(self) -> str:
        """Return the command with its environment, ready for a shell."""
        assigned = []
        for name, value in self.environment.items():
            first, more, _ = value.partition(os.pathsep)
            # What followed was the caller's own, and whoever pastes this has his.
            tail = f'"${{{name}:+:${name}}}"' if more or name == "LD_LIBRARY_PATH" else ""
            assigned.append(f"{name}={shlex.quote(first)}{tail}")
        return f"{' '.join(assigned)} {shlex.join(self.command)}"

    @property
    def last_lines(self) -> str:
        """Return the last lines that it printed, as one line."""
        lines = [line.strip() for line in self.log.splitlines() if line.strip()]
        return " | ".join(lines[-SHOWN_LINES:]) or "(it printed nothing)"

    @property
    def error_lines(self) -> list[str]:
        """Return the lines that the tool itself calls errors."""
        marked = re.compile(r"\[ERROR\]| - ERROR - |^ERROR\b|\bError:")
        return [line.strip() for line in self.log.splitlines() if marked.search(line)]


@dataclass(kw_only=True)
class Toolbox:
    """An SDK's tools and the calls that were made of them, in order."""

    sdk: Sdk
    environ: Mapping[str, str]
    time_limit_s: float
    work: Path
    calls: list[Call] = field(default_factory=list)
    _flags: dict[str, frozenset[str]] = field(default_factory=dict)

    def has(self, tool: str) -> bool:
        """Return whether the SDK has a tool."""
        return tool in self.sdk.tools

    def flags(self, tool: str) -> frozenset[str]:
        """Return the flags that a tool names in its --help; ToolError where it names none."""
        if tool not in self._flags:
            call = self._run(tool, ["--help"], HELP_LIMIT_S)
            self._flags[tool] = frozenset(_FLAG.findall(call.log)) - {"--help", "-h"}
            if not self._flags[tool]:
                raise ToolError(f"{tool} --help names no flag: {call.last_lines}: {_paste(call)}")
        return self._flags[tool]

    def spelling(self, tool: str, *alternatives: str) -> str | None:
        """Return the first of a flag's spellings that the tool knows; None where it has none."""
        known = self.flags(tool)
        return next((name for name in alternatives if name in known), None)

    def write(self, tool: str, flag: str, *values: str) -> list[str]:
        """Return a flag with its values as the tool's kind is written."""
        if tool in ATTACHED and values:
            return [f"{flag}={','.join(values)}"]
        return [flag, *values]

    def run(self, tool: str, arguments: Sequence[str]) -> Call:
        """Run a tool, record the call and return it, whatever its end; ToolError past the limit."""
        call = self._run(tool, arguments, self.time_limit_s)
        self.calls.append(call)
        if call.exit_code is None:
            raise ToolError(
                f"{tool} gave no answer in {self.time_limit_s:g} s and was ended "
                f"(export.sdk.time_limit_s): {call.last_lines}"
            )
        return call

    def _run(self, tool: str, arguments: Sequence[str], limit_s: float) -> Call:
        path = self.sdk.tools[tool]
        command = [str(path), *arguments]
        if self.sdk.python is not None and _is_script(path):
            command.insert(0, str(self.sdk.python.path))
        log, started = self.work / "log.txt", time.monotonic()
        with log.open("wb") as stream:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=stream,
                    stderr=subprocess.STDOUT,
                    env=tool_environment(self.sdk.root, self.environ),
                    cwd=self.work,
                    start_new_session=True,
                )
            except OSError as error:
                raise ToolError(f"{path} cannot be run: {error.strerror}") from error
            try:
                code: int | None = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                # Whatever it started belongs to its group and must not outlive it.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return Call(
            tool=tool,
            command=tuple(command),
            environment=added_environment(self.sdk.root, self.environ),
            exit_code=code,
            seconds=time.monotonic() - started,
            log=log.read_bytes().decode(errors="replace"),
        )


def _paste(call: Call) -> str:
    return f"run it yourself: {call.to_paste()}"


def _is_script(path: Path) -> bool:
    """Tell whether a tool is a Python script, to be run by the SDK's Python and not its own."""
    with path.open("rb") as stream:
        first = stream.readline(200)
    return first.startswith(b"#!") and b"python" in first
