"""snpe-onnx-to-dlc and qairt-converter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx

from hexdet.errors import HexdetError
from sdk_standin.dlc_writing import Record, save_dlc
from sdk_standin.graphs import (
    ConversionError,
    channels_last,
    inputs_of,
    load_graph,
    shape_of,
    to_float16,
    turns_input,
    turns_output,
)
from sdk_standin.running import Job, ToolError

SHAPES = ("--input_dim", "--desired_input_shape", "--source_model_input_shape")
OUTPUTS = ("--out_node", "--out_name", "--out_tensor_node", "--out_tensor_name")
BATCHES = ("--batch", "--onnx_batch", "--onnx_override_batch")
SECTIONS = ("activation_encodings", "param_encodings")


def run(job: Job) -> None:
    """Convert."""
    given = job.arguments
    source = Path(given.one("--input_network"))
    target = Path(given.one("--output_path") or source.with_suffix(".dlc"))
    legacy = job.tool == "snpe-onnx-to-dlc"
    _check_target(job)
    job.log("INFO", "INFO_INITIALIZATION_SUCCESS: ")
    job.log("INFO", "Simplified model validation is successful")
    try:
        model = load_graph(source, _dims(job, source), _outputs(job))
        if "unsupported-op" in job.faults:
            node = model.graph.node[0]
            raise ConversionError(
                f"No translation registered for op type onnx_{node.op_type.lower()}. "
                f"Op version: {model.opset_import[0].version}, node name: {node.name}"
            )
        overrides = _overrides(job, model)
        bits = int(given.one("--float_bitwidth") or given.one("--float_bw") or 0)
        bits = bits or (16 if not legacy and given.has("--quantization_overrides") else 32)
        turned = _turned(job, model)
        record = Record(
            version=job.version.full,
            turned_inputs=turned[0],
            turned_outputs=turned[1],
            float_bits=bits,
            overrides=overrides,
        )
        if given.has("--dry_run"):
            return
        graph = channels_last(model, *turned)
        scratch = target.with_name(f".{target.name}.part")
        save_dlc(
            to_float16(graph) if bits == 16 else graph,
            model, record, scratch, job.version, job.command,
        )  # fmt: skip
    except (ConversionError, HexdetError) as error:
        job.log("ERROR", f"Encountered Error: {error}")
        raise ToolError(f"Traceback (most recent call last):\n  {job.tool}\n{error}") from None
    job.log("INFO", "INFO_CONVERSION_SUCCESS: Conversion completed successfully")
    if job.version.is_1x:
        job.log("INFO", f"INFO_DLC_SAVE_LOCATION: Saving model at {target}")
    else:
        job.log("INFO", "INFO_WRITE_SUCCESS: ")
    job.deliver(scratch, target)


def _check_target(job: Job) -> None:
    """Refuse a chip that the release does not know; facts 2.11, observed on 2.39 to 2.48."""
    chip = job.arguments.one("--target_soc_model")
    if chip and (chip.lower() not in job.version.socs or "unknown-target" in job.faults):
        raise ToolError(f"SOC model {chip} is not supported.")
    if job.arguments.one("--target_backend") == "DSP":
        job.log("WARNING", "target_backend DSP is ignored")


def _dims(job: Job, source: Path) -> dict[str, list[int]]:
    words = [pair for flag in SHAPES for pair in job.arguments.words(flag)]
    dims = {name: [int(size) for size in sizes.split(",")] for name, sizes in words}
    batch = job.arguments.any_of(*BATCHES)
    if not batch and "batch-shrunk" not in job.faults:
        return dims
    for value in inputs_of(onnx.load(source, load_external_data=False)):
        sizes = dims.setdefault(value.name, shape_of(value))
        sizes[0] = int(batch) if batch else sizes[0]
        if "batch-shrunk" in job.faults:
            # A batch of one cannot shrink: then the rows do.
            axis = 0 if sizes[0] > 1 else len(sizes) - 2
            sizes[axis] = 1 if axis == 0 else sizes[axis] // 2
    return dims


def _turned(job: Job, model: onnx.ModelProto) -> tuple[list[str], list[str]]:
    """Return the inputs and outputs that become NHWC: the legacy converter's, or those wanted."""
    inputs = {value.name: turns_input(value) for value in inputs_of(model)}
    outputs = {value.name: turns_output(model, value) for value in model.graph.output}
    sources = dict(job.arguments.words("--input_layout"))
    sources |= dict(job.arguments.words("--source_model_input_layout"))
    for name in sources:
        if name not in inputs:
            raise ConversionError(f"Input {name} is not an input of the graph")
    turnable = {name for name, turns in inputs.items() if turns and sources.get(name) != "NHWC"}
    if job.tool == "snpe-onnx-to-dlc":
        return sorted(turnable), sorted(name for name, turns in outputs.items() if turns)
    found: list[list[str]] = []
    for kind, can in (("input", turnable), ("output", {n for n, t in outputs.items() if t})):
        wanted = dict(job.arguments.words(f"--desired_{kind}_layout"))
        for name in wanted:
            if name not in (inputs if kind == "input" else outputs):
                raise ConversionError(f"{name} is not an {kind} of the graph")
        found.append(sorted(name for name in can if wanted.get(name) == "NHWC"))
    return found[0], found[1]


def _outputs(job: Job) -> list[str]:
    return [words[0] for flag in OUTPUTS for words in job.arguments.words(flag)]


def _overrides(job: Job, model: onnx.ModelProto) -> dict[str, Any]:
    path = job.arguments.one("--quantization_overrides")
    if not path:
        return {}
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        sections = {name: content[name] for name in SECTIONS}
        if not all(isinstance(section, dict) for section in sections.values()):
            raise ConversionError(f"encodings of version {content.get('version')} are not read")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConversionError(f"quantization_overrides {path}: {error!r}") from None
    tensors = {name for node in model.graph.node for name in [*node.input, *node.output]}
    tensors |= {value.name for value in model.graph.output}
    if "zero-encodings" in job.faults:
        tensors = set()
    found = {
        section: {name: e for name, e in entries.items() if name in tensors}
        for section, entries in sections.items()
    }
    for entries in found.values():
        for name, channels in entries.items():
            symmetric = all(str(e.get("is_symmetric")) == "True" for e in channels)
            if len(channels) > 1 and not symmetric:
                raise ConversionError(f"Axis quantization is required to be symmmetric: {name}")
    count = sum(len(entries) for entries in found.values())
    job.log("INFO", f"Processed {count} quantization encodings")
    return found
