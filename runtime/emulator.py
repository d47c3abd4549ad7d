"""The HTP emulator in a process of its own: an abort inside Qualcomm's libraries is a message."""

from __future__ import annotations

import json
import math
import socket
import struct
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError, NotRunError, ToolError
from .processes import ModuleProcess
from .signature import Signature, check_signature, signature_of_json
from .targets import Target

WORKER = "hexdet.runtime.htp_worker"


class EmulatorProcess:
    """A network on the emulator in a process of its own, asked over a socket pair.

    shapes: of the outputs by name, in the order in which `run` returns them.
    time_limit_s: for opening, and for each picture to be sent and for each output to come.
    worker: the module that opens `path` for a chip and answers (see `htp_worker`).
    expected: what the graph is held against, where the worker tells element types too.
    """

    def __init__(
        self,
        path: Path,
        target: Target,
        shapes: Mapping[str, tuple[int, ...]],
        time_limit_s: float,
        worker: str = WORKER,
        *,
        expected: Signature | None = None,
    ) -> None:
        self._what = f"the HTP emulator (v{target.arch}) on {path.name}"
        self._shapes = dict(shapes)
        self._limit = time_limit_s
        ours, theirs = socket.socketpair()
        try:
            _limit_waiting(ours, time_limit_s)
            self._process = ModuleProcess(
                worker,
                [str(path), target.name, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._connection = Connection(ours.detach())
        try:
            opening = json.loads(self._receive())
            if "error" in opening:
                raise (NotRunError if opening["not_run"] else ToolError)(opening["error"])
            self._check(path, opening, expected)
        except BaseException:
            self.close()
            raise
        self._image = tuple(opening["image"])
        self._order = list(opening["outputs"])
        self._kinds = _kinds(opening)

    def _check(self, path: Path, opening: dict[str, Any], expected: Signature | None) -> None:
        if expected is not None and opening["signature"] is not None:
            check_signature(path, signature_of_json(opening["signature"]), expected)
        found = {name: tuple(shape) for name, shape in opening["outputs"].items()}
        if found != self._shapes:
            raise ArtifactError(
                f"{path} has the outputs {found}, detector.json says {self._shapes}: "
                f"export the bundle again"
            )

    def run(self, pixels: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """Return the outputs' codes in the contract's order.

        pixels: uint8 of the graph's input shape; ArtifactError for another. Raises ToolError where
        the process fails or takes too long.
        """
        if pixels.shape != self._image:
            raise ArtifactError(
                f"{self._what}: its input is {self._image}, it was given {pixels.shape}: "
                f"export the bundle again"
            )
        try:
            self._send(pixels.tobytes())
            found = {
                name: np.frombuffer(self._receive(), self._kinds[name]).reshape(self._shapes[name])
                for name in self._order
            }
        except BaseException:
            # Half an answer left in the socket would be taken for the next picture's.
            self.close()
            raise
        return {name: found[name] for name in self._shapes}

    def _send(self, data: bytes) -> None:
        try:
            self._connection.send_bytes(data)
        except BlockingIOError:  # the socket's own limit
            raise self._process.timeout(self._what, self._limit) from None
        except OSError:
            raise self._process.failure(self._what) from None

    def _receive(self) -> bytes:
        try:
            if not self._connection.poll(self._limit):
                raise self._process.timeout(self._what, self._limit)
            return self._connection.recv_bytes()
        except BlockingIOError:  # it stopped in the middle of an answer
            raise self._process.timeout(self._what, self._limit) from None
        except (EOFError, OSError):
            raise self._process.failure(self._what) from None

    def close(self) -> None:
        """End the process; twice does no harm."""
        self._connection.close()
        self._process.close()


def _kinds(opening: dict[str, Any]) -> dict[str, np.dtype[Any]]:
    """Return the dtype of every output; codes of 8 bits where the worker does not tell."""
    ports = opening["signature"]["outputs"] if opening["signature"] else ()
    told = {  # onnxruntime's float is numpy's float32
        port["name"]: np.dtype("float32" if port["kind"] == "float" else port["kind"])
        for port in ports
    }
    return {name: told.get(name, np.dtype(np.uint8)) for name in opening["outputs"]}


def _limit_waiting(end: socket.socket, limit_s: float) -> None:
    """Let writes and reads that get stuck fail: a Connection has no time limit of its own."""
    fraction, seconds = math.modf(limit_s)
    timeval = struct.pack("ll", int(seconds), int(fraction * 1e6))
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeval)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeval)
