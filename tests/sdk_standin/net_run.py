"""snpe-net-run and qnn-net-run on the host: a DLC's own graph, on its CPU."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from hexdet.errors import HexdetError
from hexdet.export.dlc_file import DlcTensor, PerTensorEncoding, read_dlc
from hexdet.runtime.htp import dsp_is_here
from sdk_standin.dlc_writing import load_graph_of
from sdk_standin.input_lists import ListError, read_list, read_raw
from sdk_standin.running import Job, ToolError
from sdk_standin.told import LOGS, profile_log

RULE = "-" * 79
CPU_NAMES = ("cpu", "cpu_float32")
Array = npt.NDArray[np.float32]


class Network:
    """A DLC, run on float32 values in its own layout."""

    def __init__(self, path: Path) -> None:
        graph = read_dlc(path).model
        self.inputs = {tensor.name: tensor for tensor in graph.inputs}
        self.outputs = {tensor.name: tensor for tensor in graph.outputs}
        self.layers = [node.outputs[0] for node in graph.nodes]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._kinds = {}
        model = load_graph_of(path)
        for value in [*model.graph.input, *model.graph.output]:
            kind = value.type.tensor_type.elem_type
            self._kinds[value.name] = onnx.helper.tensor_dtype_to_np_dtype(kind)
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, feed: dict[str, Array]) -> dict[str, Array]:
        """Return the outputs, real numbers, by name."""
        codes = {name: self._coded(self.inputs[name], value) for name, value in feed.items()}
        found = self._session.run(list(self.outputs), codes)
        return {
            name: _real(self.outputs[name], values)
            for name, values in zip(self.outputs, found, strict=True)
        }

    def _coded(self, tensor: DlcTensor, values: Array) -> npt.NDArray[np.generic]:
        kind = self._kinds[tensor.name]
        encoding = tensor.encoding
        if not isinstance(encoding, PerTensorEncoding):
            return values.astype(kind)
        codes = np.round(values / encoding.scale) - encoding.offset
        limits = np.iinfo(kind)
        return np.asarray(np.clip(codes, limits.min, limits.max).astype(kind))


def _real(tensor: DlcTensor, values: npt.NDArray[np.generic]) -> Array:
    encoding = tensor.encoding
    if not isinstance(encoding, PerTensorEncoding):
        return values.astype(np.float32)
    return ((values.astype(np.float64) + encoding.offset) * encoding.scale).astype(np.float32)


def run(job: Job) -> None:
    """Run every line of the list."""
    given = job.arguments
    qnn = job.tool == "qnn-net-run"
    path = Path(given.one("--dlc_path" if qnn else "--container"))
    if qnn and not given.has("--dlc_path"):
        raise ToolError("[ERROR] the stand-in runs --dlc_path alone", stdout=True)
    if not qnn:
        _refuse_devices(job)
        print(f"{RULE}\nModel String: N/A\nSNPE v{job.version.full}\n{RULE}")
    folder = Path(given.one("--output_dir", "output"))
    started = time.perf_counter()
    try:
        network = Network(path)
        loaded = time.perf_counter()
        listed = read_list(Path(given.one("--input_list")), list(network.inputs))
        for index, files in enumerate(listed.runs):
            if not qnn:
                print("Processing DNN input(s):")
                print("\n".join(str(file) for file in files.values()))
            feed = {n: read_raw(p, network.inputs[n].shape, n) for n, p in files.items()}
            for name, values in feed.items():
                job.saw_raw(files[name], name, values)
            _write(job, network.run(feed), folder / f"Result_{index}", listed.outputs)
    except (HexdetError, ListError, ValueError) as error:
        raise ToolError(
            f"error_code=402; error_message={error}; error_component=Network; "
            f"line_no=1; thread_id=1",
            stdout=True,
        ) from None
    ended = time.perf_counter()
    _write_log(job, folder, network, (started, loaded, ended), len(listed.runs))


def _refuse_devices(job: Job) -> None:
    """A PC has the CPU alone (facts 1.1): what is not there fails as the runtime does."""
    order = job.arguments.one("--runtime_order")
    asked = [name for name in ("gpu", "dsp", "aip") if job.arguments.has(f"--use_{name}")]
    asked += [name for name in order.split(",") if order and name not in CPU_NAMES]
    if asked and not job.arguments.has("--enable_cpu_fallback") and not dsp_is_here():
        raise ToolError(
            f"error_code=202; error_message=Runtime {asked[0]} is not available; "
            f"error_component=Runtime; line_no=1; thread_id=1",
            stdout=True,
        )


def _write(job: Job, outputs: dict[str, Array], folder: Path, wanted: tuple[str, ...]) -> None:
    named = job.arguments.one("--set_output_tensors")
    chosen = [*wanted, *(named.split(",") if named else [])] or list(outputs)
    unknown = set(chosen) - set(outputs)
    if unknown:
        raise ListError(f"no such output: {sorted(unknown)[0]}")
    if "no-output" in job.faults:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        values = outputs[name]
        if "batch-shrunk" in job.faults or "truncated" in job.faults:
            values = values.ravel()[: values.size // 2]
        values.astype("<f4").tofile(folder / f"{name.replace('/', '_')}.raw")


def _write_log(
    job: Job, folder: Path, network: Network, times: tuple[float, float, float], runs: int
) -> None:
    level = job.arguments.one("--profiling_level", "detailed")
    log = profile_log(job.version, level, "CPU", times, runs, {})
    count = max(len(network.layers), 1)
    log["layers"] = dict.fromkeys(network.layers, log["inference_us"] // count)
    if log["level"] == "off":
        return
    folder.mkdir(parents=True, exist_ok=True)
    qnn = job.tool == "qnn-net-run"
    (folder / LOGS["qnn" if qnn else "snpe"]).write_text(json.dumps(log), encoding="utf-8")
    if qnn:
        (folder / "execution_metadata.yaml").write_text("stand_in: true\n", encoding="utf-8")
