"""The backend on the Hexagon Tensor Processor: emulated on a PC, real on a Snapdragon board."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError, ToolError
from .backend import Backend, graph_path, output_encodings
from .contract import DetectorContract
from .emulator import EmulatorProcess
from .encodings import Encoding
from .qnn import htp_options, offered_devices, open_session
from .signature import (
    Precision,
    Signature,
    check_signature,
    expected_signature,
    session_signature,
)
from .targets import Target, target_of_arch

__all__ = ["TIME_LIMIT_S", "EmulatorProcess", "HtpBackend", "IntegerBackend", "dsp_is_here"]

TIME_LIMIT_S = 180.0
DEFAULT_ARCH = 73
"""Hexagon version that is emulated where neither the caller nor `detector.json` names one."""
DSP_NODES = ("fastrpc-cdsp*", "adsprpc-smd*", "cdsprpc-smd*")
"""What the kernel's FastRPC driver puts into /dev: mainline's names, then Qualcomm's own."""


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
        arch: int | None = None,
        time_limit_s: float = TIME_LIMIT_S,
    ) -> None:
        """Open the graph.

        arch: Hexagon version. Where None, a board's chip is asked for its own, and the emulator
            takes that of `detector.json`, else DEFAULT_ARCH.
        time_limit_s: of the emulator, for opening and for each picture; a board has none.
        Raises ArtifactError for a graph that is missing or does not fit `detector.json`, ToolError
        where QNN fails, NotRunError where it is not installed.
        """
        if precision != "int8":
            raise ArtifactError(
                "the HTP backend runs the int8 graph; use backend='cpu' for the float one"
            )
        path, expected = graph_path(bundle, precision), expected_signature(contract, precision)
        if platform.machine() in ("aarch64", "arm64"):
            chip = None if arch is None else target_of_arch(arch)
            name = "int8 on the HTP" if arch is None else f"int8 on the HTP (v{arch})"
            super().__init__(name, contract, lambda: _Direct(path, chip, expected))
            return
        target = target_of_arch(arch or contract.target_arch or DEFAULT_ARCH)
        super().__init__(
            f"int8 on the emulated HTP (v{target.arch})",
            contract,
            lambda: EmulatorProcess(
                path, target, contract.output_shapes(), time_limit_s, expected=expected
            ),
        )


class _Direct:
    """A session in this process: what a board wants."""

    def __init__(self, path: Path, target: Target | None, expected: Signature) -> None:
        try:
            self._session = open_session(path, htp_options(target))
        except ImportError as error:
            raise ToolError("the htp backend needs `pip install onnxruntime-qnn`") from error
        check_signature(path, session_signature(self._session), expected)
        self._outputs = [value.name for value in self._session.get_outputs()]

    def run(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        values = self._session.run(self._outputs, {"image": pixels})
        return dict(zip(self._outputs, values, strict=True))

    def close(self) -> None:
        pass


def dsp_is_here(nodes: Path = Path("/dev")) -> bool:
    """Tell whether this machine is a Snapdragon board whose real DSP can run a network.

    That is: Linux on aarch64, with the kernel's FastRPC device in `nodes` (a container must be
    given it), onnxruntime-qnn installed, and a QNN device offered by it.
    """
    if sys.platform != "linux" or platform.machine() != "aarch64":
        return False
    if not any(found for pattern in DSP_NODES for found in nodes.glob(pattern)):
        return False
    if importlib.util.find_spec("onnxruntime_qnn") is None:
        return False
    try:
        return bool(offered_devices())
    except Exception:  # onnxruntime's own exceptions share no other base
        return False
