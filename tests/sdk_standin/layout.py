"""An SDK tree on disk: folders, scripts that start the stand-ins, and what describes the SDK."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sdk_standin.misbehaving import FILE, check_fault
from sdk_standin.versions import HOST, STAND_IN, Tool, Version, tools_of

RUNNER = Path(__file__).with_name("run_tool.py")
ABOUT = Path("stand-in", "about")
ARCHS = (66, 68, 69, 73, 75, 79)
"""Hexagon versions that 2.48 has libraries for; 2.25 lacks the last."""

_PYTHON_TOOL = """#!/usr/bin/env python3
# {tool}: a stand-in for tests, not Qualcomm's.
from qti.aisw.stand_in import run

run({tool!r})
"""

_NATIVE = '''"""What stands for the native modules: they load on one minor version of Python."""
import os
import sys

if sys.version_info[:2] not in {minors!r}:
    raise ImportError(
        "cannot import name 'libPyIrGraph' from 'qti.aisw.converters.common' (this stand-in of an "
        "SDK is built for Python {wanted}, this is %d.%d)" % tuple(sys.version_info[:2])
    )


def run(tool):
    environment = {{k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}}
    environment["HEXDET_STAND_IN_LIBRARIES"] = environment.pop("LD_LIBRARY_PATH", "")
    command = [{python!r}, {runner!r}, {root!r}, tool, *sys.argv[1:]]
    os.execve(command[0], command, environment)
'''

_EXECUTABLE = """#!/bin/sh
# {tool}: a stand-in for tests, not Qualcomm's.
HEXDET_STAND_IN_LIBRARIES="$LD_LIBRARY_PATH"; export HEXDET_STAND_IN_LIBRARIES
unset LD_LIBRARY_PATH PYTHONPATH PYTHONHOME
exec {python} {runner} {root} {tool} "$@"
"""

_ENVIRONMENT = """# A stand-in for tests, not Qualcomm's.
root={root}
export {variables}
export PYTHONPATH="$root/lib/python:$PYTHONPATH"
export PATH="$root/bin/{host}:$PATH"
export LD_LIBRARY_PATH="$root/lib/{host}:$LD_LIBRARY_PATH"
"""


def make_tree(
    version: Version,
    root: Path,
    *,
    minors: Sequence[int] = (),
    misbehaves: Mapping[str, str] | None = None,
) -> Path:
    """Lay an SDK out below a folder and return it, absolute.

    minors: the Python 3.x that its scripts want, where not the release's own. misbehaves: by tool.
    """
    for tool_name, fault in (misbehaves or {}).items():
        check_fault(tool_name, fault)
    root = root.absolute()
    minors = tuple(minors) or version.minors
    for tool in tools_of(version):
        _script(root, tool)
    package = root / "lib" / "python" / "qti" / "aisw"
    package.mkdir(parents=True, exist_ok=True)
    (package.parent / "__init__.py").touch()
    (package / "__init__.py").touch()
    text = _NATIVE.format(
        minors=tuple((3, minor) for minor in minors),
        wanted=" or ".join(f"3.{minor}" for minor in minors),
        python=sys.executable,
        runner=str(RUNNER),
        root=str(root),
    )
    (package / "stand_in.py").write_text(text, encoding="utf-8")
    _libraries(root, version)
    _descriptions(root, version)
    (root / FILE).write_text(
        "".join(f"{tool} {fault}\n" for tool, fault in (misbehaves or {}).items()),
        encoding="utf-8",
    )
    return root


def _script(root: Path, tool: Tool) -> None:
    path = root / tool.folder / tool.name
    path.parent.mkdir(parents=True, exist_ok=True)
    if tool.kind == "python":
        text = _PYTHON_TOOL.format(tool=tool.name)
    else:
        places = {"python": sys.executable, "runner": str(RUNNER), "root": str(root)}
        quoted = {key: shlex.quote(value) for key, value in places.items()}
        text = _EXECUTABLE.format(tool=tool.name, **quoted)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _libraries(root: Path, version: Version) -> None:
    """Write what the SDK has for hosts and devices; what is in it says that it is nothing."""
    for folder, names in _contents(version).items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in names:
            (root / folder / name).write_text(f"{STAND_IN}: nothing to run\n", encoding="utf-8")


def _contents(version: Version) -> dict[str, list[str]]:
    """Return files by folder: facts 1.2, 1.3 and 7.1."""
    new = version.key >= (2, 11)
    android = "aarch64-android" if new else "aarch64-android-clang8.0"
    on_device = ["snpe-net-run", "snpe-throughput-net-run", "snpe-platform-validator"]
    device, host = ["libSNPE.so"], ["libSNPE.so"]
    helpers = ["dependencies.sh", "check_python_depends.sh"]
    folders: dict[str, list[str]] = {}
    if new:
        helpers = ["check-linux-dependency.sh", "check-python-dependency", "envcheck"]
        on_device.append("qnn-net-run")
        host += ["libQnnHtp.so", "libHtpPrepare.so", "libQnnModelDlc.so", "libQnnSystem.so"]
        device += ["libSnpeHtpPrepare.so", "libQnnHtp.so", "libQnnSystem.so", "libQnnModelDlc.so"]
        device += ["libQnnHtpNetRunExtensions.so", "libQnnHtpPrepare.so", "libQnnCpu.so"]
        for arch in ARCHS[: -1 if version.key < (2, 48) else None]:
            kinds = ("SnpeDsp", "QnnDsp") if arch == 66 else ("SnpeHtp", "QnnHtp")
            device += [f"lib{kind}V{arch}Stub.so" for kind in kinds]
            skels = [f"lib{kind}V{arch}Skel.so" for kind in kinds]
            folders[f"lib/hexagon-v{arch}/unsigned"] = skels
    else:
        skels = [f"libsnpe_dsp_v{arch}_domains_v2_skel.so" for arch in (65, 66)]
        folders["lib/dsp"] = [*skels, "libSnpeHtpV68Skel.so"]
        device += ["libsnpe_dsp_domains_v2.so", "libSnpeHtpV68Stub.so", "libc++_shared.so"]
    return {
        **folders,
        "bin": helpers,
        f"bin/{android}": on_device,
        f"lib/{android}": device,
        f"lib/{HOST}": host,
    }


def _descriptions(root: Path, version: Version) -> None:
    (root / ABOUT).parent.mkdir(parents=True, exist_ok=True)
    (root / ABOUT).write_text(f"{version.name}\n", encoding="utf-8")
    if version.key >= (2, 16):
        (root / "sdk.yaml").write_text(
            f"# A {STAND_IN} for tests, not Qualcomm's.\n"
            f"version: {version.number}\n"
            f"build_id: '{version.build}-{STAND_IN}'\n"
            f"{STAND_IN.replace('-', '_')}: true\n"
            f"frameworks:\n  onnx: {version.onnx}\n  onnxruntime: {version.onnxruntime}\n",
            encoding="utf-8",
        )
    variables = ["SNPE_ROOT"] + (
        ["QNN_SDK_ROOT", "QAIRT_SDK_ROOT"] if version.key >= (2, 25) else []
    )
    script = _ENVIRONMENT.format(
        root=shlex.quote(str(root)),
        variables=" ".join(f'{v}="$root"' for v in variables),
        host=HOST,
    )
    (root / "bin" / "envsetup.sh").write_text(script, encoding="utf-8")
    for name in (
        ("examples/Models", "benchmarks/SNPE")
        if version.key >= (2, 11)
        else ("models", "benchmarks")
    ):
        (root / name).mkdir(parents=True, exist_ok=True)


_INTERPRETER = '''#!{python}
"""A stand-in for Python 3.{minor}: this Python, which reports that version."""
import runpy
import sys

number = (3, {minor}, 0)
if sys.argv[1:] and sys.argv[1] in ("-V", "--version"):
    print("Python 3.{minor}.0")
    raise SystemExit
real = type(sys.version_info)
sys.version = "3.{minor}.0 (a stand-in of " + sys.version.split()[0] + ")"
sys.hexversion = (3 << 24) + ({minor} << 16) + 0xF0


class Reported(tuple):
    major, minor, micro, releaselevel, serial = 3, {minor}, 0, "final", 0


sys.version_info = Reported((3, {minor}, 0, "final", 0))
words = sys.argv[1:]
while words and words[0].startswith("-") and words[0] not in ("-c", "-m"):
    words.pop(0)
if words[:1] == ["-c"]:
    sys.argv = ["-c", *words[2:]]
    exec(compile(words[1], "<string>", "exec"), {{"__name__": "__main__"}})
elif words[:1] == ["-m"]:
    sys.argv = words[1:]
    runpy.run_module(words[1], run_name="__main__", alter_sys=True)
elif words:
    sys.argv = words
    sys.path[0] = ""
    runpy.run_path(words[0], run_name="__main__")
'''


def make_python(folder: Path, minor: int) -> Path:
    """Write `python3.<minor>` into a folder: this Python, which reports that minor."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"python3.{minor}"
    path.write_text(_INTERPRETER.format(python=sys.executable, minor=minor), encoding="utf-8")
    path.chmod(0o755)
    return path


def tool_environment(root: Path, *, path: Sequence[Path] = ()) -> dict[str, str]:
    """Return the environment that envsetup.sh would make, with further folders on PATH."""
    return {
        **os.environ,
        "SNPE_ROOT": str(root),
        "QNN_SDK_ROOT": str(root),
        "PYTHONPATH": str(root / "lib" / "python"),
        "LD_LIBRARY_PATH": str(root / "lib" / HOST),
        "PATH": os.pathsep.join([str(root / "bin" / HOST), *map(str, path), os.environ["PATH"]]),
    }
