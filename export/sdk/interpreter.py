"""The Python that an SDK's scripts need, and the environment that its tools run in."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "x86_64-linux-clang"
_NATIVE = re.compile(r"cpython-?3(\d+)|python3\.?(\d+)|Py\w*?3(\d\d)\b")
PROBE_LIMIT_S = 30.0
_LEFT_OUT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTHONSTARTUP")
"""Of the caller's environment: his packages are for another Python."""


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python 3 by its path and minor version."""

    path: Path
    minor: int


def wanted_minors(root: Path, number: tuple[int, int]) -> tuple[int, ...]:
    """Return the minor versions of Python 3 that an SDK's native modules are built for.

    They are read from the names under lib/python; where those do not tell, the release decides.
    """
    names = (path.name for path in (root / "lib" / "python").rglob("*.so"))
    found = {int(next(filter(None, m.groups()))) for n in names if (m := _NATIVE.search(n))}
    if found:
        return tuple(sorted(found))
    if number < (2, 6):
        return (6,)
    if number < (2, 22):
        return (8,)
    return (10,) if number < (2, 47) else (10, 12)


def find_interpreter(
    minors: tuple[int, ...], given: Path | None, environ: Mapping[str, str]
) -> tuple[Interpreter | None, str]:
    """Return an interpreter of a wanted minor version, or None and why, in words.

    given: the only one that is looked at, where there is one; else python3.X on PATH.
    """
    wanted = " or ".join(f"3.{minor}" for minor in minors)
    if given is not None:
        minor = _minor_of(given, environ)
        if minor in minors:
            return Interpreter(path=given.expanduser().absolute(), minor=minor), ""
        what = "is no Python" if minor is None else f"is Python 3.{minor}"
        return None, f"its scripts want Python {wanted}, but --sdk-python {given} {what}"
    for minor in reversed(minors):
        path = shutil.which(f"python3.{minor}", path=environ.get("PATH"))
        if path and _minor_of(Path(path), environ) == minor:
            return Interpreter(path=Path(path).absolute(), minor=minor), ""
    return None, (
        f"its scripts want Python {wanted}, and there is no python3.{minors[-1]} on PATH: install "
        f"one with the packages that the SDK names, and give it with --sdk-python"
    )


def tool_environment(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a tool: what the SDK's envsetup script would set, and no shell."""
    return {
        **{name: value for name, value in environ.items() if name not in _LEFT_OUT},
        **added_environment(root, environ),
    }


def added_environment(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that differ from the caller's: those to paste with a command."""

    def before(folder: Path, name: str) -> str:
        return os.pathsep.join(filter(None, (str(folder), environ.get(name, ""))))

    return {
        "SNPE_ROOT": str(root),
        "QNN_SDK_ROOT": str(root),
        "QAIRT_SDK_ROOT": str(root),
        "PATH": before(root / "bin" / HOST, "PATH"),
        "LD_LIBRARY_PATH": before(root / "lib" / HOST, "LD_LIBRARY_PATH"),
        "PYTHONPATH": str(root / "lib" / "python"),
    }


def _minor_of(path: Path, environ: Mapping[str, str]) -> int | None:
    """Return the minor version that an interpreter reports; None where it is no Python 3."""
    clean = {name: value for name, value in environ.items() if name not in _LEFT_OUT}
    code = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [str(path.expanduser()), "-c", code],
            capture_output=True,
            text=True,
            env=clean,
            timeout=PROBE_LIMIT_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    found = re.fullmatch(r"3 (\d+)\s*", done.stdout)
    return int(found[1]) if done.returncode == 0 and found else None
