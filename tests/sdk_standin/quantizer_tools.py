"""snpe-dlc-quantize, snpe-dlc-quant and qairt-quantizer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hexdet.errors import HexdetError
from hexdet.export.dlc_file import PerTensorEncoding, read_dlc
from hexdet.export.dlc_file.encodings import covered_range
from hexdet.quantization.graph_edits import TO_NCHW
from sdk_standin.dlc_writing import Record, load_source, save_dlc
from sdk_standin.input_lists import ListError, read_list, read_raw
from sdk_standin.quantizing import EncodingError, Quantization, measure, quantize
from sdk_standin.running import Job, ToolError


def run(job: Job) -> None:
    """Quantize."""
    given = job.arguments
    source = Path(given.one("--input_dlc"))
    default = source.with_name(f"{source.stem}_quantized.dlc")
    target = Path(given.one("--output_dlc") or default)
    if job.version.is_1x:
        job.info("InitializeStderr: DebugLog initialized.")
    else:
        job.info("Processed command-line arguments")
    job.warn_deprecated()
    _check_backend(job)
    scratch = target.with_name(f".{target.name}.part")
    try:
        model, record = load_source(source)
        if record.quantized:
            raise ToolError("[ERROR] the DLC is quantized already", stdout=True)
        if (record.version.split(".")[0] == "1") != job.version.is_1x:
            raise ToolError("[ERROR] DLCs of 1.x and 2.x are incompatible", stdout=True)
        told = _told(job, record)
        ranges = measure(model, _runs(job, record, source)) if given.has("--input_list") else {}
        graph = quantize(model, ranges, told)
        record.quantized = True
        save_dlc(graph, model, record, scratch, job.version, job.command)
    except (EncodingError, ListError, ValueError, HexdetError) as error:
        raise ToolError(f"[ERROR] {error}", stdout=True) from None
    if job.version.is_1x:
        _print_activations(job, scratch)
    _finish(job, target)
    if given.has("--enable_htp"):
        from sdk_standin.preparing import prepare_in_place

        try:
            prepare_in_place(job, scratch)
        except ToolError:
            scratch.unlink()
            raise
    job.deliver(scratch, target)


def _check_backend(job: Job) -> None:
    chip = job.arguments.one("--target_soc_model")
    if chip and (chip.lower() not in job.version.socs or "unknown-target" in job.faults):
        raise ToolError(f"SOC model {chip} is not supported.")
    if job.arguments.one("--target_backend") == "DSP":
        raise ToolError("[ERROR] DSP does not have backend aware config", stdout=True)


def _told(job: Job, record: Record) -> Quantization:
    given = job.arguments
    if (given.one("--weights_bitwidth") or given.one("--bitwidth") or "8") != "8":
        raise EncodingError("the stand-in writes weights of 8 bits alone")
    recorded = job.tool == "qairt-quantizer"
    ignored = given.has("--ignore_encodings") or given.has("--ignore_quantization_overrides")
    applied = not ignored if recorded else given.has("--override_params")
    symmetric = (
        given.one("--param_quantizer") == "symmetric"
        or given.one("--param_quantizer_schema") == "symmetric"
        or given.has("--use_symmetric_quantize_weights")
    )
    return Quantization(
        activation_bits=int(given.one("--act_bitwidth") or given.one("--bitwidth") or 8),
        per_channel=given.has("--use_per_channel_quantization") or given.has("--axis_quant"),
        symmetric_weights=symmetric,
        bias_bits=int(given.one("--bias_bitwidth") or given.one("--bitwidth") or 8),
        turned_inputs=frozenset(record.turned_inputs),
        turned_outputs=frozenset(record.turned_outputs),
        overrides=record.overrides if applied else {},
    )


def _runs(job: Job, record: Record, source: Path) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    """Yield what the list names, in the layout of the float graph."""
    inputs = {tensor.name: tensor.shape for tensor in read_dlc(source).model.inputs}
    for shape in inputs.values():
        if shape[0] != 1:
            raise ListError(f"the batch must be 1, the DLC has {shape[0]}")
    listed = read_list(Path(job.arguments.one("--input_list")), list(inputs))
    for run_of in listed.runs:
        feed = {}
        for name, path in run_of.items():
            values = read_raw(path, inputs[name], name)
            job.saw_raw(path, name, values)
            feed[name] = np.ascontiguousarray(
                values.transpose(TO_NCHW) if name in record.turned_inputs else values
            )
        yield feed


def _print_activations(job: Job, path: Path) -> None:
    """Print what the 1.x quantizer prints of every activation (facts 5.8)."""
    graph = read_dlc(path).model
    for node in graph.nodes:
        for name in node.outputs:
            tensor = graph.tensors[name]
            encoding = tensor.encoding
            if isinstance(encoding, PerTensorEncoding):
                low, high = covered_range(tensor) or (0.0, 0.0)
                job.info(f"Setting activation for layer: {node.name} and buffer: {name}")
                job.info(
                    f"bw: {encoding.bitwidth}, min: {low:.6f}, max: {high:.6f}, "
                    f"delta: {encoding.scale:.6f}, offset: {encoding.offset:.6f}"
                )


def _finish(job: Job, target: Path) -> None:
    match job.tool, job.version.is_1x:
        case "qairt-quantizer", _:
            job.info("Quantization completed successfully")
            job.info(f"Quantized Model saved at: {target}")
        case "snpe-dlc-quantize", True:
            job.info(f"Writing quantized model to: {target}")
            job.info("DebugLog shutting down.")
        case "snpe-dlc-quantize", _:
            job.info(f"Successfully saved DLC to {target}")
        case _ if job.version.key >= (2, 25):
            job.info("Saved quantized dlc")
        case _:
            job.info(f"Writing quantized model to: {target}")
