"""Which Qualcomm SDK is here: root, version, tools and Python, and what is missing, in words."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from ...errors import NotRunError
from .interpreter import Interpreter, find_interpreter, tool_environment, wanted_minors

ROOT_VARIABLES = ("QAIRT_SDK_ROOT", "QNN_SDK_ROOT", "SNPE_ROOT")
HOST = "x86_64-linux-clang"
STAND_IN = "stand-in"
"""What a tree that only imitates an SDK has in its version: it is said wherever its DLCs go."""
TOOLS = (
    "snpe-onnx-to-dlc",
    "snpe-dlc-quantize",
    "snpe-dlc-quant",
    "snpe-dlc-graph-prepare",
    "snpe-dlc-info",
    "qairt-dlc-info",
    "qairt-converter",
    "qairt-quantizer",
    "qnn-context-binary-generator",
    "qnn-context-binary-utility",
)
FIRST_QAIRT = (2, 21)
"""The release that brought the tools of that name."""
_VERSIONED = ("snpe-dlc-quant", "snpe-dlc-quantize", "snpe-net-run", "snpe-onnx-to-dlc")
_VERSION = re.compile(r"\bv?(\d+)\.(\d+)(\.[\w.\-]+)?")
PROBE_LIMIT_S = 60.0
WHERE = (
    "set QAIRT_SDK_ROOT (or QNN_SDK_ROOT, SNPE_ROOT) to its root, or give --sdk DIR; it is to be "
    "had, with an account, from https://www.qualcomm.com/developer (Qualcomm AI Runtime SDK)"
)


@dataclass(frozen=True, kw_only=True)
class Sdk:
    """An SDK that can be driven.

    version: as it says itself; number: its first two parts. tools: by name, those it has.
    """

    root: Path
    version: str
    number: tuple[int, int]
    python: Interpreter | None
    tools: Mapping[str, Path]

    @property
    def is_stand_in(self) -> bool:
        """Return whether it only imitates an SDK, for tests."""
        return STAND_IN in self.version

    @property
    def title(self) -> str:
        """Return name and version for people."""
        name = "QAIRT" if self.number >= FIRST_QAIRT else "SNPE"
        mark = f", {STAND_IN}" if self.is_stand_in else ""
        return f"{name} {self.number[0]}.{self.number[1]}{mark}"


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What was looked for and found. said_by: the option or variable that named the root.

    problems: why it cannot be driven, each with what to do; none where it can.
    """

    said_by: str
    sdk: Sdk | None
    problems: tuple[str, ...]

    def require(self) -> Sdk:
        """Return the SDK; NotRunError, with the first problem, where it cannot be driven."""
        if self.sdk is None or self.problems:
            raise NotRunError(self.problems[0])
        return self.sdk


def discover(root: Path | None, python: Path | None, environ: Mapping[str, str]) -> Discovery:
    """Look for the SDK: in `root`, else where the environment says.

    python: the interpreter for its scripts; else the one of its minor version on PATH. Nothing of
    the SDK is run but, where sdk.yaml does not tell, a tool's --version.
    """
    said_by, folder = "--sdk", root
    if folder is None:
        set_here = [name for name in ROOT_VARIABLES if environ.get(name)]
        if not set_here:
            return _nothing("", f"no Qualcomm SDK: {WHERE}")
        said_by, folder = set_here[0], Path(environ[set_here[0]])
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        return _nothing(said_by, f"{said_by} names {folder}, which is no folder: {WHERE}")
    bin_folder = folder / "bin" / HOST
    tools = {name: bin_folder / name for name in TOOLS if (bin_folder / name).is_file()}
    if not tools:
        return _nothing(
            said_by, f"{folder} ({said_by}) has no tool in bin/{HOST}: it is no SDK's root; {WHERE}"
        )
    version = _said_in_yaml(folder) or _said_by_tools(folder, bin_folder, python, environ)
    number = _VERSION.search(version)
    if number is None:
        return _nothing(
            said_by, f"{folder} does not tell its version: no sdk.yaml, and no tool answers"
        )
    parts = (int(number[1]), int(number[2]))
    found, problem = find_interpreter(wanted_minors(folder, parts), python, environ)
    sdk = Sdk(root=folder, version=version, number=parts, python=found, tools=tools)
    problems = [f"{sdk.title} in {folder}: {problem}"] if problem else []
    converters = ("snpe-onnx-to-dlc", "qairt-converter")
    if not any(name in tools for name in converters):
        problems.append(f"{folder} has no converter ({' or '.join(converters)}) in bin/{HOST}")
    return Discovery(said_by=said_by, sdk=sdk, problems=tuple(problems))


def _nothing(said_by: str, problem: str) -> Discovery:
    return Discovery(said_by=said_by, sdk=None, problems=(problem,))


def _said_in_yaml(root: Path) -> str:
    """Return the version in sdk.yaml with its build, wherever in it they stand; else nothing."""
    try:
        content = yaml.safe_load((root / "sdk.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return ""
    values = dict(_flat(content))
    version = next((v for k, v in values.items() if k.endswith("version") and _product(k)), "")
    build = next(
        (v for k, v in values.items() if k.rpartition(".")[2] in ("build", "build_id")), ""
    )
    mark = f"-{STAND_IN}" if STAND_IN in str(content) else ""
    text = version if not build or build in version else f"{version}.{build}"
    return text if not mark or mark in text or not text else text + mark


def _product(key: str) -> bool:
    """Tell whether a version is the SDK's own and not of a framework that it was tested with."""
    return not any(
        name in key for name in ("onnx", "tensorflow", "torch", "tflite", "python", "ndk")
    )


def _flat(content: object, path: str = "") -> list[tuple[str, str]]:
    if isinstance(content, dict):
        found = []
        for key, value in content.items():
            found += _flat(value, f"{path}.{key}".strip(".").lower())
        return found
    if isinstance(content, list):
        return [pair for value in content for pair in _flat(value, path)]
    return [(path, str(content))]


def _said_by_tools(
    root: Path, folder: Path, python: Path | None, environ: Mapping[str, str]
) -> str:
    """Return what the first tool that answers --version says; else nothing."""
    for name in _VERSIONED:
        if not (folder / name).is_file():
            continue
        try:
            done = subprocess.run(
                [str(folder / name), "--version"],
                capture_output=True,
                text=True,
                errors="replace",
                env=tool_environment(root, environ),
                timeout=PROBE_LIMIT_S,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        found = _VERSION.search(done.stdout + done.stderr)
        if found is not None:
            return found[0].removeprefix("v")
    return ""
