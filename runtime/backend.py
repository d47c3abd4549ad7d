"""The interface of everything that can run a network, and its implementation on onnxruntime CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError
from .contract import DetectorContract
from .encodings import Encoding
from .images import normalise
from .signature import Precision, check_signature, expected_signature, session_signature

__all__ = ["GRAPHS", "Backend", "Closing", "CpuBackend", "Precision", "graph_path"]

GRAPHS: dict[Precision, str] = {"float": "float.onnx", "int8": "int8.onnx"}


class Closing:
    """Something to close after use; as a context manager it closes itself."""

    def close(self) -> None:
        """Let go of the process, session or device behind it; twice does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Backend(Closing):
    """Something that runs a network on one picture.

    A subclass implements `run`; it may be used from one thread at a time.
    """

    name: str = "?"

    def run(self, pixels: npt.NDArray[np.uint8]) -> Mapping[str, npt.NDArray[Any]]:
        """Return every output by name, NHWC, float32 or uint8 codes, for pixels [1, h, w, 3]."""
        raise NotImplementedError

    def run_float(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[np.float32]]:
        """Return every output by name, NHWC float32, codes turned into real numbers."""
        return {
            name: self.encodings[name].dequantize(value) if value.dtype == np.uint8 else value
            for name, value in self.run(pixels).items()
        }

    @property
    def encodings(self) -> Mapping[str, Encoding]:
        """Return the encodings of the outputs that are codes."""
        return {}


def graph_path(bundle: Path, precision: Precision) -> Path:
    """Return the ONNX file of a precision; ArtifactError where the bundle does not have it."""
    path = bundle / GRAPHS[precision]
    if not path.is_file():
        verb = "export" if precision == "float" else "quantize"
        raise ArtifactError(f"{path} is missing: make it with `hexdet {verb}`")
    return path


def output_encodings(contract: DetectorContract, precision: Precision) -> Mapping[str, Encoding]:
    """Return the encodings of a graph's outputs, empty for the float one.

    Raises ArtifactError where detector.json does not name them all.
    """
    if precision == "float":
        return {}
    missing = [name for name in contract.output_shapes() if name not in contract.encodings]
    if missing:
        raise ArtifactError(
            f"detector.json of {contract.name} has no encoding of {missing[0]}: quantize again"
        )
    return contract.encodings


class CpuBackend(Backend):
    """A bundle's float or integer graph on onnxruntime's CPU provider: the reference.

    threads: of one run; onnxruntime takes one a core where None.
    Raises ArtifactError where the graph is missing, damaged or does not fit `detector.json`.
    """

    def __init__(
        self,
        bundle: Path,
        contract: DetectorContract,
        precision: Precision,
        *,
        threads: int | None = None,
    ) -> None:
        import onnxruntime

        self.name = f"{precision} on onnxruntime CPU"
        self._contract = contract
        self._precision = precision
        self._encodings = output_encodings(contract, precision)
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        path = graph_path(bundle, precision)
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own exceptions share no other base
            raise ArtifactError(f"onnxruntime cannot load {path}: {error}") from error
        check_signature(
            path, session_signature(self._session), expected_signature(contract, precision)
        )
        self._outputs = [value.name for value in self._session.get_outputs()]

    @property
    def encodings(self) -> Mapping[str, Encoding]:
        """Return the encodings of the outputs."""
        return self._encodings

    def run(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """Return the outputs of the graph for pixels uint8 [1, h, w, 3]."""
        image = normalise(pixels, self._contract.input) if self._precision == "float" else pixels
        values = self._session.run(self._outputs, {"image": image})
        return dict(zip(self._outputs, values, strict=True))
