"""A DLC or context binary on the emulated HTP of this PC, its answers kept in a folder."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

VARIABLE = "HEXDET_STANDIN_CACHE"
CONTEXTS = "HEXDET_STANDIN_CONTEXTS"
"""Folder with the wrappers of context binaries: onnxruntime-qnn runs these through them alone."""
DLC_WORKER = "hexdet.export.dlc_runner.worker"
LIMIT_S = 170.0


class Emulated:
    """A network with one 8-bit picture; the emulator starts with the first one that is new."""

    def __init__(self, path: Path, chip: str) -> None:
        self._path, self._chip = path, chip
        content = hashlib.sha256(path.read_bytes()).hexdigest()[:32]
        cache = os.environ.get(VARIABLE) or str(Path(tempfile.gettempdir()) / "hexdet-standin")
        self._cache = Path(cache) / f"{chip}-{content}"
        self._process: Any = None
        about = self._cache / "about.json"
        if not about.is_file():
            self._cache.mkdir(parents=True, exist_ok=True)
            _write(about, json.dumps(_describe(path, content)).encode())
        told = json.loads(about.read_text(encoding="utf-8"))
        self.input_name: str = told["input"]["name"]
        self.input_shape = tuple(told["input"]["shape"])
        self._input = told["input"]
        self._outputs = told["outputs"]
        self._model = told["model"]

    def run(self, codes: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.uint8]]:
        """Return the outputs' codes by name for codes of the input's shape."""
        kept = self._cache / f"{hashlib.sha256(codes.tobytes()).hexdigest()[:32]}.npz"
        if not kept.is_file():
            found = self._execute(codes)
            part = kept.with_suffix(f".{os.getpid()}.npz")
            np.savez(part, **found)
            part.replace(kept)
        with np.load(kept) as arrays:
            return {name: arrays[name] for name in self._outputs}

    def _execute(self, codes: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.uint8]]:
        from hexdet.runtime.emulator import WORKER, EmulatorProcess
        from hexdet.runtime.targets import LEGACY, find_target, target_of_arch

        if self._process is None:
            shapes = {name: tuple(about["shape"]) for name, about in self._outputs.items()}
            # Nothing emulates a DSP before the HTP: v68 computes in its place.
            target = target_of_arch(68) if self._chip in LEGACY else find_target(self._chip)
            worker = DLC_WORKER if self._model is None else WORKER
            path = Path(self._model or self._path)
            self._process = EmulatorProcess(path, target, shapes, LIMIT_S, worker)
        nhwc = codes if self.input_shape[-1] == 3 else codes.transpose(0, 2, 3, 1)
        found: dict[str, npt.NDArray[np.uint8]] = self._process.run(np.ascontiguousarray(nhwc))
        return found

    def code(self, values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """Return real numbers as codes of the input."""
        codes = np.round(values / self._input["scale"]) - self._input["offset"]
        return np.asarray(np.clip(codes, 0, 255).astype(np.uint8))

    def real(self, name: str, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return codes of an output as real numbers."""
        about = self._outputs[name]
        return ((codes.astype(np.float64) + about["offset"]) * about["scale"]).astype("<f4")


def _describe(path: Path, content: str) -> dict[str, Any]:
    if path.suffix == ".dlc":
        from hexdet.export.dlc_file import read_dlc

        graph = read_dlc(path).model
        return {
            "model": None,
            "input": {"name": graph.inputs[0].name, **_tensor(graph.inputs[0])},
            "outputs": {tensor.name: _tensor(tensor) for tensor in graph.outputs},
        }
    import onnx

    for binary in Path(os.environ[CONTEXTS]).glob("*.bin"):
        if hashlib.sha256(binary.read_bytes()).hexdigest()[:32] == content:
            wrapper = binary.with_suffix(".onnx")
            found = onnx.load(wrapper).graph
            return {
                "model": str(wrapper),
                "input": {"name": found.input[0].name, "shape": _shape(found.input[0])},
                "outputs": {value.name: {"shape": _shape(value)} for value in found.output},
            }
    raise ValueError("5005 create from binary")


def _tensor(tensor: Any) -> dict[str, Any]:
    return {
        "shape": list(tensor.shape),
        "scale": tensor.encoding.scale,
        "offset": tensor.encoding.offset,
    }


def _shape(value: Any) -> list[int]:
    return [side.dim_value for side in value.type.tensor_type.shape.dim]


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)
