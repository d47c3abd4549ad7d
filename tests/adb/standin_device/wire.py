"""adb's transport: messages of 24 bytes and their payload, and the streams within a connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

HEADER = struct.Struct("<6I")
VERSION, LARGEST = 0x01000001, 256 * 1024


def _word(name: bytes) -> int:
    return int.from_bytes(name, "little")


CNXN, AUTH, OPEN, OKAY, CLSE, WRTE, STLS = map(
    _word, (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE", b"STLS")
)


class ClosedError(Exception):
    """The other end, or this one, has closed the stream or the connection."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message; arg0 and arg1 mean what the command makes of them."""

    command: int
    arg0: int
    arg1: int
    data: bytes = b""


class Wire:
    """A connection's socket; several threads may send."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._sending = threading.Lock()

    def send(self, command: int, arg0: int, arg1: int, data: bytes = b"") -> None:
        """Send a message; ClosedError where nobody listens any more."""
        head = HEADER.pack(command, arg0, arg1, len(data), sum(data), command ^ 0xFFFFFFFF)
        try:
            with self._sending:
                self._socket.sendall(head + data)
        except OSError as error:
            raise ClosedError from error

    def receive(self) -> Message:
        """Return the next message; ClosedError at the end."""
        command, arg0, arg1, length, _, _ = HEADER.unpack(self._exactly(HEADER.size))
        return Message(command=command, arg0=arg0, arg1=arg1, data=self._exactly(length))

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            try:
                more = self._socket.recv(count - len(found))
            except OSError as error:
                raise ClosedError from error
            if not more:
                raise ClosedError
            found += more
        return bytes(found)

    def cut(self) -> None:
        """Drop the connection, as a cable that is pulled."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Stream:
    """One service's two-way stream; what is written waits until the other end took the last."""

    def __init__(self, wire: Wire, local: int, remote: int) -> None:
        self.wire = wire
        self._local, self._remote = local, remote
        self._changed = threading.Condition()
        self._received = bytearray()
        self._ready, self._closed = True, False

    def feed(self, data: bytes) -> None:
        """Take what the other end wrote."""
        with self._changed:
            self._received += data
            self._changed.notify_all()
        self.wire.send(OKAY, self._local, self._remote)

    def go_on(self) -> None:
        """Take note that the other end took what was written last."""
        with self._changed:
            self._ready = True
            self._changed.notify_all()

    def end(self) -> None:
        """Take note that the other end is gone."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def read(self, count: int) -> bytes:
        """Return exactly so many bytes; ClosedError where they do not come."""
        with self._changed:
            while len(self._received) < count:
                if self._closed:
                    raise ClosedError
                self._changed.wait()
            found = bytes(self._received[:count])
            del self._received[:count]
        return found

    def write(self, data: bytes) -> None:
        """Write all of it, in messages that the other end takes."""
        for piece in _pieces(data):
            with self._changed:
                while not self._ready and not self._closed:
                    self._changed.wait()
                if self._closed:
                    raise ClosedError
                self._ready = False
            self.wire.send(WRTE, self._local, self._remote, piece)

    def close(self) -> None:
        """Tell the other end that nothing more comes, once it took what was written."""
        with self._changed:
            while not self._ready and not self._closed:
                self._changed.wait()
            told, self._closed = self._closed, True
        if not told:
            self.wire.send(CLSE, self._local, self._remote)


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 64 * 1024):
        yield data[start : start + 64 * 1024]
