"""snpe-dlc-graph-prepare, and the preparation that snpe-dlc-quantize --enable_htp does."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx

from hexdet.errors import HexdetError
from hexdet.export.context_binary import write_context_binary
from hexdet.runtime.targets import Target, find_target, target_of_arch
from sdk_standin.dlc_writing import TIME_LIMIT_S, add_caches, load_graph_of, load_source
from sdk_standin.running import Job, ToolError

DEFAULT_SOC = "sm8650"


def run(job: Job) -> None:
    """Put cache records into a copy of a DLC."""
    source = Path(job.arguments.one("--input_dlc"))
    default = source.with_name(f"{source.stem}_cached.dlc")
    target = Path(job.arguments.one("--output_dlc") or default)
    job.warn_deprecated()
    scratch = target.with_name(f".{target.name}.part")
    scratch.write_bytes(source.read_bytes())
    try:
        prepare_in_place(job, scratch)
    except ToolError:
        scratch.unlink()
        raise
    job.info(f"Saved prepared dlc to {target}")
    job.deliver(scratch, target)


def prepare_in_place(job: Job, path: Path) -> None:
    """Add a record for every chip asked for; ToolError for a chip that the release lacks."""
    chips = _chips(job)
    job.info("SNPE HTP Offline Prepare: Attempting to create cache for the whole graph.")
    _, record = load_source(path)
    caches = {}
    for name, target in chips.items():
        vtcm = int(job.arguments.one("--vtcm_override") or 0) or target.vtcm_mb or 2
        identifier = f"HTP_V{target.arch}_{name.upper()}_{vtcm}MB"
        if identifier in record.caches and not job.arguments.has("--overwrite_cache_records"):
            job.info(f"Skipping existing record {identifier}")
            continue
        try:
            if "prepare-error" in job.faults:
                raise ValueError("the stand-in was told so")
            caches[identifier] = compile_for(load_graph_of(path), target)
            job.info(f"Done creating QNN HTP graph cache for Vtcm size {vtcm} MB.")
        except (HexdetError, ValueError) as error:
            job.error(f"SNPE HTP Offline Prepare: Failed to generate QNN HTP graph cache. {error}")
    record.caches += [name for name in caches if name not in record.caches]
    if caches:
        add_caches(path, path, caches, record, job.version, job.command)
    job.info("Successfully compiled HTP metadata into DLC.")


def compile_for(graph: onnx.ModelProto, target: Target) -> bytes:
    """Return a graph's context binary for a chip, by the wheel."""
    with tempfile.TemporaryDirectory(prefix="sdk-standin-") as name:
        folder = Path(name)
        onnx.save(graph, folder / "graph.onnx")
        binary, wrapper = folder / "context.bin", folder / "context.onnx"
        write_context_binary(folder / "graph.onnx", target, binary, wrapper, TIME_LIMIT_S)
        return binary.read_bytes()


def _chips(job: Job) -> dict[str, Target]:
    archs = job.arguments.one("--htp_archs")
    if archs:
        return {f"arch{arch}": target_of_arch(int(arch[1:])) for arch in archs.split(",")}
    chips = (job.arguments.one("--htp_socs") or _default(job)).split(",")
    for chip in chips:
        if chip not in job.version.socs or "unknown-target" in job.faults:
            raise ToolError(f"[ERROR] SOC {chip} is not supported by this SDK", stdout=True)
    return {chip: find_target(chip.upper()) for chip in chips}


def _default(job: Job) -> str:
    return DEFAULT_SOC if DEFAULT_SOC in job.version.socs else job.version.socs[0]
