"""qnn-context-binary-generator and qnn-context-binary-utility."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from hexdet.errors import HexdetError
from hexdet.export.dlc_file import read_dlc
from hexdet.runtime.targets import TARGETS, Target, find_target, target_of_arch
from sdk_standin.dlc_writing import load_graph_of
from sdk_standin.preparing import compile_for
from sdk_standin.running import Job, ToolError

KNOWN = Path("stand-in", "contexts")
UNTOLD = ("SM8350", 4)
"""What is built for, and with how much memory, where no configuration says: v68 (facts 2.12)."""
NET_RUN_KEYS = ("cores", "perf_profile")


def run(job: Job) -> None:
    """Build a context binary, or describe one."""
    (_generate if job.tool.endswith("generator") else _describe)(job)


def _generate(job: Job) -> None:
    given = job.arguments
    if not given.has("--dlc_path"):
        raise ToolError("[ERROR] the stand-in builds from --dlc_path alone", stdout=True)
    source = Path(given.one("--dlc_path"))
    suffix = f"_{given.one('--htp_socs')}" if given.has("--htp_socs") else ""
    folder = Path(given.one("--output_dir", "output"))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{given.one('--binary_file')}{suffix}.bin"
    try:
        chip, vtcm_mb = _chip(job, read_dlc(source).model.name)
        content = compile_for(load_graph_of(source), chip)
    except (HexdetError, OSError, ValueError) as error:
        raise ToolError(f"[ERROR] {error}", stdout=True) from None
    if "requantisation-error" in job.faults:
        job.error("requantisation scale 1.0001 is out of range")
    scratch = target.with_name(f".{target.name}.part")
    scratch.write_bytes(content)
    _remember(job.root, content, chip, vtcm_mb)
    job.deliver(scratch, target)


def _chip(job: Job, graph: str) -> tuple[Target, int]:
    """Return what the configuration asks for; without one, soc_model flags or not, v68."""
    outer = job.arguments.one("--config_file")
    if not outer:
        return find_target(UNTOLD[0]), UNTOLD[1]
    extensions = json.loads(Path(outer).read_text(encoding="utf-8"))["backend_extensions"]
    if not str(extensions["shared_library_path"]).endswith("libQnnHtpNetRunExtensions.so"):
        raise ValueError(f"unknown extension {extensions['shared_library_path']}")
    inner = json.loads(Path(extensions["config_file_path"]).read_text(encoding="utf-8"))
    graphs, devices = inner.get("graphs", []), inner.get("devices", [])
    for section in graphs:
        if section.get("graph_names") != [graph]:
            raise ValueError(
                f"valid 'graph_names' are required: MODEL_INVALID_ARGUMENT ({graph} is in the DLC)"
            )
    for device in devices:
        for key in NET_RUN_KEYS:
            if key in device:
                raise ValueError(f"unknown key {key} in the section devices")
    if not devices:
        return find_target(UNTOLD[0]), UNTOLD[1]
    chip = _of_device(devices[0])
    asked = next((int(section.get("vtcm_mb", 0)) for section in graphs), 0)
    return chip, asked or chip.vtcm_mb or 2


def _of_device(device: dict[str, Any]) -> Target:
    number = device.get("soc_model", device.get("soc_id"))
    if number is None:
        return target_of_arch(int(str(device["dsp_arch"]).removeprefix("v")))
    for target in TARGETS.values():
        if target.soc_model == int(number):
            return target
    raise ValueError(f"unknown soc_model {number}")


def _remember(root: Path, content: bytes, chip: Target, vtcm_mb: int) -> None:
    (root / KNOWN).mkdir(parents=True, exist_ok=True)
    known = {"dspArch": chip.arch, "vtcmSize": vtcm_mb, "socModel": chip.soc_model}
    path = root / KNOWN / f"{hashlib.sha256(content).hexdigest()}.json"
    path.write_text(json.dumps(known), encoding="utf-8")


def _describe(job: Job) -> None:
    path = Path(job.arguments.one("--context_binary"))
    known = job.root / KNOWN / f"{hashlib.sha256(path.read_bytes()).hexdigest()}.json"
    if not known.is_file():
        raise ToolError(f"[ERROR] {path}: 5005 create from binary", stdout=True)
    about = json.loads(known.read_text(encoding="utf-8"))
    vtcm = {"info": {"graphBlobInfo": {"info": {"vtcmSize": about["vtcmSize"]}}}}
    described = {
        "info": {
            "contextMetadata": {"info": {"dspArch": about["dspArch"]}},
            "socModel": about["socModel"],
            "graphs": [vtcm],
        }
    }
    target = Path(job.arguments.one("--json_file"))
    scratch = target.with_name(f".{target.name}.part")
    scratch.write_text(json.dumps(described, indent=1), encoding="utf-8")
    job.deliver(scratch, target)
