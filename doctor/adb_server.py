"""Asking the adb server that runs, in its own words: no client, so that none is started or ended.

`adb devices` would start a server, and end one of another version to start its own.
The words are those of the Android Open Source Project's `adb/SERVICES.TXT` and `OVERVIEW.TXT`.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from ..benchmarks.adb.client import Listed, parse_devices

PORT = 5037
ANSWER_LIMIT_S = 5.0


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

    def version(self) -> int:
        """Return the number that a client must share: 41 is that of `version 1.0.41`.

        Raises ConnectionRefusedError where no server runs, OSError or ValueError where what runs
        does not answer as an adb server does; so do the others.
        """
        return int(self._ask("host:version"), 16)

    def devices(self) -> list[Listed]:
        """Return what is attached."""
        return parse_devices(self._ask("host:devices"))

    def _ask(self, service: str) -> str:
        with socket.create_connection(self.address, self._limit_s) as stream:
            stream.sendall(f"{len(service.encode()):04x}{service}".encode())
            status = _read(stream, 4)
            answer = _read(stream, int(_read(stream, 4), 16))
        if status != "OKAY":
            raise OSError(f"it says {status} {answer}")
        return answer


def _read(stream: socket.socket, length: int) -> str:
    data = b""
    while len(data) < length:
        part = stream.recv(length - len(data))
        if not part:
            raise OSError("it hung up in the middle of its answer")
        data += part
    return data.decode(errors="replace")
