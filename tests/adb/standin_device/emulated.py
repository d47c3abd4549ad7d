"""A DLC or context binary on the emulated HTP of this PC, its answers kept as files.

Only a picture that is new loads numpy and the emulator: everything else is copying, so that tests
wait for little.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Codes = npt.NDArray[np.uint8]

VARIABLE = "HEXDET_STANDIN_CACHE"
CONTEXTS = "HEXDET_STANDIN_CONTEXTS"
"""Folder with the wrappers of context binaries: onnxruntime-qnn runs these through them alone."""
DLC_WORKER = "hexdet.export.dlc_runner.worker"
LIMIT_S = 170.0
DIGITS = 32


class InputError(Exception):
    """A raw is not what the network reads."""


class Emulated:
    """A network with one 8-bit picture; the emulator starts with the first one that is new."""

    def __init__(self, path: Path, chip: str) -> None:
        self._path, self._chip = path, chip
        content = hashlib.sha256(path.read_bytes()).hexdigest()[:DIGITS]
        cache = os.environ.get(VARIABLE) or str(Path(tempfile.gettempdir()) / "hexdet-standin")
        self._cache = Path(cache) / f"{chip}-{content}"
        self._process: Any = None
        about = self._cache / "about.json"
        if not about.is_file():
            self._cache.mkdir(parents=True, exist_ok=True)
            part = about.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(_describe(path, content)), encoding="utf-8")
            part.replace(about)
        told = json.loads(about.read_text(encoding="utf-8"))
        self.input_name: str = told["input"]["name"]
        self._input, self._outputs, self._model = told["input"], told["outputs"], told["model"]

    def answer(self, raw: Path, *, native: bool) -> dict[str, bytes]:
        """Return the outputs by name for a raw; native: both are codes, else float32."""
        data = raw.read_bytes()
        kind = "native" if native else "float"
        folder = self._cache / f"{hashlib.sha256(data).hexdigest()[:DIGITS]}-{kind}"
        if not folder.is_dir():
            part = folder.with_suffix(f".{os.getpid()}")
            part.mkdir()
            for name, content in self._compute(data, raw, native=native).items():
                (part / name).write_bytes(content)
            with contextlib.suppress(OSError):  # another process was faster, with the same
                part.rename(folder)
        return {name: (folder / name).read_bytes() for name in self._outputs}

    def _compute(self, data: bytes, raw: Path, *, native: bool) -> dict[str, bytes]:
        import numpy as np

        shape = tuple(self._input["shape"])
        size = int(np.prod(shape)) * (1 if native else 4)
        if len(data) != size:
            raise InputError(f"{raw} has {len(data)} bytes, an input of {shape} has {size}")
        if native:
            codes = np.frombuffer(data, np.uint8).reshape(shape)
            return {name: found.tobytes() for name, found in self._execute(codes).items()}
        values = np.frombuffer(data, "<f4").reshape(shape)
        if not np.isfinite(values).all():
            raise InputError(f"{raw} holds values that are not finite: it is no float32 raw")
        codes = np.round(values / self._input["scale"]) - self._input["offset"]
        found = self._execute(np.clip(codes, 0, 255).astype(np.uint8))
        real = {}
        for name, output in found.items():
            about = self._outputs[name]
            shifted = (output.astype(np.float64) + about["offset"]) * about["scale"]
            real[name] = shifted.astype("<f4").tobytes()
        return real

    def _execute(self, codes: Codes) -> dict[str, Codes]:
        import numpy as np

        from hexdet.runtime.emulator import WORKER, EmulatorProcess
        from hexdet.runtime.targets import LEGACY, find_target, target_of_arch

        if self._process is None:
            shapes = {name: tuple(about["shape"]) for name, about in self._outputs.items()}
            # Nothing emulates a DSP before the HTP: v68 computes in its place.
            target = target_of_arch(68) if self._chip in LEGACY else find_target(self._chip)
            worker = DLC_WORKER if self._model is None else WORKER
            path = Path(self._model or self._path)
            self._process = EmulatorProcess(path, target, shapes, LIMIT_S, worker)
        nhwc = codes if codes.shape[-1] == 3 else codes.transpose(0, 2, 3, 1)
        found: dict[str, Codes] = self._process.run(np.ascontiguousarray(nhwc))
        return found


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
        if hashlib.sha256(binary.read_bytes()).hexdigest()[:DIGITS] == content:
            wrapper = binary.with_suffix(".onnx")
            found = onnx.load(wrapper).graph
            return {
                "model": str(wrapper),
                "input": {"name": found.input[0].name, "shape": _shape(found.input[0])},
                "outputs": {value.name: {"shape": _shape(value)} for value in found.output},
            }
    raise InputError("5005 create from binary")


def _tensor(tensor: Any) -> dict[str, Any]:
    encoding = tensor.encoding
    return {"shape": list(tensor.shape), "scale": encoding.scale, "offset": encoding.offset}


def _shape(value: Any) -> list[int]:
    return [side.dim_value for side in value.type.tensor_type.shape.dim]
