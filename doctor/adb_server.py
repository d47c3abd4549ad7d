"""Asking the adb server that runs, in its own words: no client, so that none is started or ended.

`adb devices` would start a server, and end one of another version to start its own.
The words are those of the Android Open Source Project's `adb/SERVICES.TXT` and `OVERVIEW.TXT`.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass

PORT = 5037
ANSWER_LIMIT_S = 5.0
ASK_CHIP = "getprop ro.soc.model 2>/dev/null; cat /sys/devices/soc0/machine 2>/dev/null"
"""Android 12 and later; then what Qualcomm's kernels say, on Linux boards too."""


@dataclass(frozen=True, kw_only=True)
class Attached:
    """Something behind adb. state: `device` where it can be used, else why not in adb's word."""

    serial: str
    state: str
    model: str


class AdbServer:
    """A server at an address; every question is a connection of its own."""

    def __init__(self, host: str, port: int, limit_s: float = ANSWER_LIMIT_S) -> None:
        self.address = (host, port)
        self._limit_s = limit_s

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> AdbServer:
        """Return the server that adb's own variables name, else the usual one."""
        port = environ.get("ANDROID_ADB_SERVER_PORT", "")
        host = environ.get("ANDROID_ADB_SERVER_ADDRESS") or "127.0.0.1"
        return cls(host, int(port) if port.isdecimal() else PORT)

    def devices(self) -> list[Attached]:
        """Return what is attached; ConnectionRefusedError where no server runs.

        Raises OSError where the server does not answer as an adb server does.
        """
        with self._ask("host:devices-l") as stream:
            text = self._read(stream, int(self._read(stream, 4), 16))
        return parse_devices(text)

    def chip(self, serial: str) -> str:
        """Return the name of a device's chip; empty where it does not tell."""
        with self._ask(f"host:transport:{serial}") as stream:
            self._send(stream, f"shell:{ASK_CHIP}")
            parts = []
            while part := stream.recv(4096):
                parts.append(part)
        lines = b"".join(parts).decode(errors="replace").split()
        return lines[0] if lines else ""

    def _ask(self, service: str) -> socket.socket:
        stream = socket.create_connection(self.address, self._limit_s)
        try:
            self._send(stream, service)
        except BaseException:
            stream.close()
            raise
        return stream

    def _send(self, stream: socket.socket, service: str) -> None:
        stream.sendall(f"{len(service.encode()):04x}{service}".encode())
        status = self._read(stream, 4)
        if status != "OKAY":
            why = self._read(stream, int(self._read(stream, 4), 16)) if status == "FAIL" else status
            raise OSError(f"the adb server at {self.address[0]}:{self.address[1]} says {why!r}")

    def _read(self, stream: socket.socket, length: int) -> str:
        data = b""
        while len(data) < length:
            part = stream.recv(length - len(data))
            if not part:
                raise OSError("the adb server hung up in the middle of its answer")
            data += part
        return data.decode(errors="replace")


def parse_devices(text: str) -> list[Attached]:
    """Return the devices of the server's list: serial, state, then `model:...` among others.

    A state may have several words: `no permissions (missing udev rules?); see [...]`.
    """
    found = []
    for line in filter(str.strip, text.splitlines()):
        serial, *words = line.split()
        facts = [word for word in words if word.startswith(("product:", "model:", "device:"))]
        known = [word for word in words if word.startswith(("usb:", "transport_id:"))]
        state = " ".join(word for word in words if word not in facts + known)
        model = next((w.removeprefix("model:") for w in facts if w.startswith("model:")), "")
        found.append(Attached(serial=serial, state=state, model=model))
    return found
