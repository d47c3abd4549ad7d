"""The backend on the Hexagon Tensor Processor: emulated on a PC, real on a Snapdragon board."""

from __future__ import annotations

import json
import platform
import socket
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError, NotRunError, ToolError
from .backend import Backend, Precision, graph_path, output_encodings
from .contract import DetectorContract
from .encodings import Encoding
from .processes import ModuleProcess
from .qnn import htp_options, open_session
from .targets import Target, target_of_arch

TIME_LIMIT_S = 180.0
WORKER = "hexdet.runtime.htp_worker"


class Runner(Protocol):
    """Something that has the integer network loaded and answers pictures with codes."""

    def run(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """Return the outputs' codes by name."""
        ...

    def close(self) -> None:
        """Let go of what runs it."""
        ...


class IntegerBackend(Backend):
    """A network with uint8 outputs on the HTP, whatever form it was loaded from.

    On x86 the emulator runs in a process of its own with a time limit. It is an emulation: its
    outputs may differ from silicon in their last bits, and its time says nothing about a device.
    """

    def __init__(self, name: str, contract: DetectorContract, runner: Callable[[], Runner]) -> None:
        self.name = name
        self._encodings = output_encodings(contract, "int8")
        self._runner = runner()

    @property
    def encodings(self) -> Mapping[str, Encoding]:
        """Return the encodings of the outputs."""
        return self._encodings

    def run(self, pixels: npt.NDArray[np.uint8]) -> Mapping[str, npt.NDArray[Any]]:
        """Return the uint8 outputs for pixels uint8 [1, h, w, 3].

        Raises ToolError where the emulator dies or takes longer than its limit.
        """
        return self._runner.run(pixels)

    def close(self) -> None:
        """End the emulator's process."""
        self._runner.close()


class HtpBackend(IntegerBackend):
    """A bundle's integer graph, the whole of it, on the HTP."""

    def __init__(
        self,
        bundle: Path,
        contract: DetectorContract,
        precision: Precision = "int8",
        *,
        arch: int = 73,
        time_limit_s: float = TIME_LIMIT_S,
    ) -> None:
        if precision != "int8":
            raise ArtifactError(
                "the HTP backend runs the int8 graph; use backend='cpu' for the float one"
            )
        path, target = graph_path(bundle, precision), target_of_arch(arch)
        if platform.machine() in ("aarch64", "arm64"):
            super().__init__(f"int8 on the HTP (v{arch})", contract, lambda: _Direct(path, target))
        else:
            super().__init__(
                f"int8 on the emulated HTP (v{arch})",
                contract,
                lambda: EmulatorProcess(path, target, contract.output_shapes(), time_limit_s),
            )


class _Direct:
    """A session in this process: what a board wants."""

    def __init__(self, path: Path, target: Target) -> None:
        try:
            self._session = open_session(path, htp_options(target))
        except ImportError as error:
            raise ToolError("the htp backend needs `pip install onnxruntime-qnn`") from error
        self._outputs = [value.name for value in self._session.get_outputs()]

    def run(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        values = self._session.run(self._outputs, {"image": pixels})
        return dict(zip(self._outputs, values, strict=True))

    def close(self) -> None:
        pass


class EmulatorProcess:
    """A network on the emulator in a process of its own, asked over a socket pair.

    worker: the module that opens `path` for a chip and answers (see `htp_worker`).
    """

    def __init__(
        self,
        path: Path,
        target: Target,
        shapes: Mapping[str, tuple[int, ...]],
        time_limit_s: float,
        worker: str = WORKER,
    ) -> None:
        self._what = f"the HTP emulator (v{target.arch}) on {path.name}"
        self._shapes = dict(shapes)
        self._limit = time_limit_s
        ours, theirs = socket.socketpair()
        self._process = ModuleProcess(
            worker,
            [str(path), target.name, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
        )
        theirs.close()
        self._connection = Connection(ours.detach())
        opening = json.loads(self._receive())
        if "error" in opening:
            self.close()
            raise (NotRunError if opening["not_run"] else ToolError)(opening["error"])
        found = {name: tuple(shape) for name, shape in opening["outputs"].items()}
        self._order = list(found)
        if found != self._shapes:
            self.close()
            raise ArtifactError(
                f"{path} has the outputs {found}, detector.json says {self._shapes}: "
                f"export the bundle again"
            )

    def run(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """Return the outputs' codes in the contract's order; ToolError where the process fails."""
        try:
            self._connection.send_bytes(pixels.tobytes())
        except OSError:
            raise self._process.failure(self._what) from None
        found = {
            name: np.frombuffer(self._receive(), np.uint8).reshape(self._shapes[name])
            for name in self._order
        }
        return {name: found[name] for name in self._shapes}

    def _receive(self) -> bytes:
        try:
            if not self._connection.poll(self._limit):
                raise self._process.timeout(self._what, self._limit)
            return self._connection.recv_bytes()
        except (EOFError, OSError):
            raise self._process.failure(self._what) from None

    def close(self) -> None:
        """End the process; twice does no harm."""
        self._connection.close()
        self._process.close()
