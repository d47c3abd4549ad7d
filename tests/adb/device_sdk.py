"""A stand-in SDK whose programs for devices run where `hexdet-standin-tool` is: on stand-ins."""

from __future__ import annotations

from pathlib import Path

from adb.standin_device.phone import TOOL

from sdk_standin.layout import make_python, make_tree
from sdk_standin.versions import VERSIONS

PROGRAMS = ("snpe-net-run", "snpe-throughput-net-run", "qnn-net-run")


def make_device_sdk(root: Path, version: str = "2.25") -> Path:
    """Lay out a stand-in SDK and return its root."""
    known = VERSIONS[version]
    tree = make_tree(known, root)
    for folder in (tree / "bin").glob("aarch64-android*"):
        for name in PROGRAMS:
            path = folder / name
            if path.is_file():
                path.write_text(
                    f"#!/bin/sh\n# {name}: a stand-in for tests, not Qualcomm's.\n"
                    f'exec {TOOL} {known.name} {name} "$@"\n',
                    encoding="utf-8",
                )
                path.chmod(0o755)
        for name in ("libQnnGpu.so",):
            library = tree / "lib" / folder.name / name
            library.write_text("stand-in: nothing to run\n", encoding="utf-8")
    for minor in known.minors:
        make_python(root.parent / "pythons", minor)
    return tree
