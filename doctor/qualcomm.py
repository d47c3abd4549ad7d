"""Qualcomm's part: a network run on the HTP, a DLC written, and the SDKs that are installed."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import HexdetError
from ..runtime.processes import ModuleProcess
from ..runtime.scratch import scratch_folder
from .finding import Finding, Job
from .packages import TOOLCHAIN

PROBE = Path(__file__).with_name("probe.onnx")
"""An integer graph of one convolution, so that neither torch nor onnx is needed to run it."""
PROBE_LIMIT_S = 60.0
WORKER = "hexdet.doctor.probe_worker"
CODES_APART = 1
"""The HTP may round another way than the CPU: of one convolution by one code."""


def emulator(*, limit_s: float = PROBE_LIMIT_S, worker: str = WORKER) -> Finding:
    """Run the probe graph on the emulated HTP, or a board's own, and hold it against the CPU."""
    what = "HTP on the DSP" if platform.machine() == "aarch64" else "HTP emulator"
    jobs: tuple[Job, ...] = ("export",)
    absent = _absent(("onnxruntime", "onnxruntime_qnn"))
    if absent:
        return Finding(
            what=what, status="missing", found=f"not run: {absent}", advice=TOOLCHAIN, jobs=jobs
        )
    with scratch_folder() as folder:
        result = folder / "result.json"
        process = ModuleProcess(worker, [str(PROBE), str(result)])
        try:
            process.wait("the probe", limit_s)
            measured = json.loads(result.read_text(encoding="utf-8"))
        except (HexdetError, OSError, ValueError) as error:
            return Finding(
                what=what, status="broken", found=str(error), advice=_qnn_advice(), jobs=jobs
            )
        finally:
            process.close()
    apart, seconds = measured["codes_apart"], measured["seconds"]
    found = f"{measured['place']}: ran, {apart} of 255 codes from the CPU, {seconds:.1f} s"
    wrong = apart > CODES_APART
    return Finding(
        what=what,
        status="broken" if wrong else "ok",
        found=found,
        advice=_qnn_advice() if wrong else "",
        jobs=jobs,
    )


def dlc_writing(*, limit_s: float = PROBE_LIMIT_S) -> Finding:
    """Write the probe graph as a DLC, and read it back."""
    absent = _absent(("onnxruntime", "onnxruntime_qnn", "flatbuffers"))
    if absent:
        return Finding(
            what="DLC writing",
            status="missing",
            found=f"not run: {absent}",
            advice=TOOLCHAIN,
            jobs=("export",),
        )
    from ..export.dlc import write_dlc
    from ..export.dlc_file import read_dlc

    start = time.perf_counter()
    with scratch_folder() as folder:
        try:
            path = write_dlc(PROBE, folder / "probe.dlc", limit_s)
            dlc, size = read_dlc(path), path.stat().st_size
        except HexdetError as error:
            return Finding(
                what="DLC writing",
                status="broken",
                found=str(error),
                advice=_qnn_advice(),
                jobs=("export",),
            )
    holds = ", ".join(dlc.operators)
    seconds = time.perf_counter() - start
    found = f"{size:,} bytes written and read back ({holds}), {seconds:.1f} s"
    return Finding(what="DLC writing", status="ok", found=found, jobs=("export",))


def sdks(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look for Qualcomm's SDKs where the environment says they are; all of it is optional."""
    if _absent(("yaml",)):
        named = "QAIRT_SDK_ROOT, QNN_SDK_ROOT, SNPE_ROOT"
        return [
            Finding(
                what="Qualcomm SDK",
                status="missing",
                found=f"not looked for ({named})",
                advice=f"optional; {TOOLCHAIN} to drive one",
            )
        ]
    from ..export.sdk.discovery import ROOT_VARIABLES, discover

    looked_at: dict[Path, Finding] = {}
    for variable in filter(environ.get, ROOT_VARIABLES):
        others = {name for name in ROOT_VARIABLES if name != variable}
        seen = discover(None, None, {k: v for k, v in environ.items() if k not in others})
        root = Path(environ[variable]).expanduser().resolve()
        if seen.sdk is None:
            finding = Finding(what="Qualcomm SDK", status="broken", found=seen.problems[0])
        else:
            python = seen.sdk.python
            found = f"{seen.sdk.title} ({seen.sdk.version}) in {seen.sdk.root}, by {variable}"
            if python is not None:
                found += f", Python 3.{python.minor}"
            finding = Finding(
                what="Qualcomm SDK",
                status="broken" if seen.problems else "ok",
                found=found,
                advice="; ".join(seen.problems),
            )
        looked_at.setdefault(root, finding)
    if looked_at:
        return list(looked_at.values())
    (problem,) = discover(None, None, {}).problems
    return [
        Finding(
            what="Qualcomm SDK",
            status="missing",
            found="none; the pip wheel's libraries write the DLCs",
            advice=f"optional: {problem.partition(': ')[2]}",
        )
    ]


def _absent(modules: Iterable[str]) -> str:
    names = [name for name in modules if importlib.util.find_spec(name) is None]
    return f"no {', '.join(names)}" if names else ""


def _qnn_advice() -> str:
    if platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"):
        return "the wheel onnxruntime-qnn emulates the HTP on x86-64 Linux only"
    return "bring onnxruntime and onnxruntime-qnn to the pinned pair, both of them"
