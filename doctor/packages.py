"""Python, hexdet's packages, and whether they are those that it was tested with and import."""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import ToolError
from ..runtime.processes import ModuleProcess
from ..runtime.scratch import scratch_folder
from .finding import Finding, Job
from .gpu import gpu
from .requirements import CONSTRAINTS, Package, needed

OLDEST = (3, 11)
PAIR = ("onnxruntime", "onnxruntime-qnn")
"""Built for each other: change both or none."""
IMPORT_LIMIT_S = 180.0
"""Of all of them together: torch from a cold disk takes its time."""
WORKER = "hexdet.doctor.imports_worker"
TOOLCHAIN = "pip install 'hexdet[toolchain]'"


@dataclass(frozen=True, kw_only=True)
class Imports:
    """How imports went: errors by module, and what torch can compute on, where it was imported."""

    errors: dict[str, str]
    built_for: str | None = None
    gpus: tuple[str, ...] = ()


def python() -> Finding:
    """Look at the Python that runs this."""
    version = sys.version_info
    where = f"{platform.python_version()}, {sys.prefix}"
    if version[:2] >= OLDEST:
        return Finding(what="Python", status="ok", found=where, jobs=("detect", "export"))
    return Finding(
        what="Python",
        status="broken",
        found=where,
        advice=f"hexdet needs {OLDEST[0]}.{OLDEST[1]} or newer",
        jobs=("detect", "export"),
    )


def packages() -> list[Finding]:
    """Look at the packages of the base install, of the toolchain, at the QNN pair, and at the GPU.

    All that is installed is imported, in a process of its own.
    """
    try:
        base, toolchain = needed(), needed("toolchain")
    except importlib.metadata.PackageNotFoundError:
        advice = "install it: pip install -e '.[toolchain]' in the checkout, or its wheel"
        return [
            Finding(
                what="hexdet",
                status="broken",
                found="runs from a folder and is not installed",
                advice=advice,
                jobs=("detect", "export"),
            )
        ]
    imports = try_imports(base + toolchain)
    return [
        judge("base packages", base, imports, "pip install hexdet", ("detect", "export")),
        judge("toolchain", toolchain, imports, TOOLCHAIN, ("export",)),
        judge_pair([p for p in base + toolchain if p.name in PAIR]),
        gpu(imports.built_for, imports.gpus),
    ]


def try_imports(wanted: Sequence[Package], *, limit_s: float = IMPORT_LIMIT_S) -> Imports:
    """Import what is installed, in a process of its own; a crash or hang is its module's error."""
    modules = [package.module for package in wanted if package.installed]
    with scratch_folder() as folder:
        result = folder / "imports"
        process = ModuleProcess(WORKER, [str(result), *modules])
        ended = ""
        try:
            process.wait("the import", limit_s)
        except ToolError as error:
            ended = str(error)
        finally:
            process.close()
        lines = result.read_text(encoding="utf-8").splitlines() if result.exists() else []
    return read_imports(lines, ended)


def read_imports(lines: Iterable[str], ended: str = "") -> Imports:
    """Return what the process wrote; ended: how it failed, empty where it ended well.

    The module that it had begun last and not done is then to blame.
    """
    errors, begun, cuda = {}, "", None
    for line in lines:
        row = json.loads(line)
        if "cuda" in row:
            cuda = row["cuda"]
        elif row["state"] == "begun":
            begun = row["module"]
        else:
            begun = ""
            if row["state"] == "failed":
                errors[row["module"]] = row["error"]
    if ended:
        errors[begun or "import"] = ended
    if cuda is None:
        return Imports(errors=errors)
    return Imports(errors=errors, built_for=cuda["built_for"], gpus=tuple(cuda["gpus"]))


def judge(
    what: str, wanted: list[Package], imports: Imports, install: str, jobs: tuple[Job, ...]
) -> Finding:
    """Return what is to be said of a group of packages: the gravest there is."""
    absent = [package.name for package in wanted if not package.installed]
    if absent:
        found = "none of them" if len(absent) == len(wanted) else f"not there: {', '.join(absent)}"
        return Finding(what=what, status="missing", found=found, advice=install, jobs=jobs)
    failed = {p: imports.errors[p.module] for p in wanted if p.module in imports.errors}
    if failed:
        package, error = next(iter(failed.items()))
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return Finding(
            what=what,
            status="broken",
            found=f"{package} does not import: {error}{more}",
            advice=f"pip install --force-reinstall --no-deps {package.name}=={package.pinned}",
            jobs=jobs,
        )
    others = [package for package in wanted if not package.as_pinned]
    if others:
        return Finding(
            what=what,
            status="differs",
            found=", ".join(f"{p} (tested: {p.pinned})" for p in others),
            advice=f"{install} -c {CONSTRAINTS}",
            jobs=jobs,
        )
    found = f"{len(wanted)} packages, as pinned: {', '.join(map(str, wanted[:3]))}, ..."
    return Finding(what=what, status="ok", found=found, jobs=jobs)


def judge_pair(pair: list[Package]) -> Finding:
    """Return what is to be said of onnxruntime and Qualcomm's provider for it."""
    shown = ", ".join(map(str, pair))
    if not all(package.installed for package in pair):
        return Finding(
            what="QNN pair",
            status="missing",
            found=", ".join(f"no {p.name}" for p in pair if not p.installed),
            advice=TOOLCHAIN,
            jobs=("export",),
        )
    if all(package.as_pinned for package in pair):
        return Finding(what="QNN pair", status="ok", found=f"{shown}, as pinned", jobs=("export",))
    wanted = " ".join(f"{package.name}=={package.pinned}" for package in pair)
    return Finding(
        what="QNN pair",
        status="differs",
        found=f"{shown}: not the pair that was tested",
        advice=f"pip install {wanted}",
        jobs=("export",),
    )
