"""Start a stand-in device and print the port where adb finds it.

python tests/adb/standin_device/serve.py --root DIR [--chip SM8550] [--serial NAME] [--port N]
    [--fault NAME[:KEY=VALUE...]]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import threading
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from adb.standin_device.faults import FAULTS, Faults
from adb.standin_device.phone import Phone
from adb.standin_device.shell_service import Device, serve_shell
from adb.standin_device.sync_service import serve_sync
from adb.standin_device.wire import (
    AUTH,
    CLSE,
    CNXN,
    LARGEST,
    OKAY,
    OPEN,
    VERSION,
    WRTE,
    ClosedError,
    Message,
    Stream,
    Wire,
)

BANNER = (
    b"device::ro.product.name=standin;ro.product.model=stand-in;ro.product.device=standin;"
    b"features=shell_v2,cmd,stat_v2,ls_v2,fixed_push_mkdir,fixed_push_symlink_timestamp\0"
)
TOKEN, SIGNATURE, PUBLIC_KEY = 1, 2, 3


def serve(listening: socket.socket, device: Device) -> None:
    """Answer connections until the process ends."""
    while not device.dead.is_set():
        connected, _ = listening.accept()
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_connection, args=(connected, device), daemon=True).start()


def _connection(connected: socket.socket, device: Device) -> None:
    wire, streams = Wire(connected), dict[int, Stream]()
    try:
        while True:
            message = wire.receive()
            if message.command in (CNXN, AUTH):
                _greet(wire, message, device)
            elif message.command == OPEN:
                local = len(streams) + 1
                streams[local] = Stream(wire, local, message.arg0)
                service = message.data.rstrip(b"\0").decode()
                _start(wire, streams[local], local, message.arg0, service, device)
            elif message.arg1 in streams:
                _pass_on(streams[message.arg1], message)
    except ClosedError:
        pass
    finally:
        for stream in streams.values():
            stream.end()
        wire.cut()


def _greet(wire: Wire, message: Message, device: Device) -> None:
    """Answer a greeting; a device that knows no key asks for one, and waits for its owner."""
    if device.faults.find("unauthorized") is None:
        wire.send(CNXN, VERSION, LARGEST, BANNER)
    elif message.command == CNXN or message.arg0 == SIGNATURE:
        wire.send(AUTH, TOKEN, 0, os.urandom(20))


def _start(
    wire: Wire, stream: Stream, local: int, remote: int, service: str, device: Device
) -> None:
    if service.startswith(("shell:", "shell,")):
        work = (serve_shell, (stream, service, device))
    elif service.startswith("sync:"):
        work = (serve_sync, (stream, device))
    elif service.startswith("reboot:"):
        work = (_reboot, (stream,))
    else:
        wire.send(CLSE, 0, remote)
        return
    wire.send(OKAY, local, remote)
    threading.Thread(target=_guarded, args=work, daemon=True).start()


def _guarded(target: object, arguments: tuple[object, ...]) -> None:
    with contextlib.suppress(ClosedError):
        target(*arguments)  # type: ignore[operator]


def _reboot(stream: Stream) -> None:
    """Be gone for a moment: adb connects again by itself."""
    stream.close()
    stream.wire.cut()


def _pass_on(stream: Stream, message: Message) -> None:
    if message.command == WRTE:
        stream.feed(message.data)
    elif message.command == OKAY:
        stream.go_on()
    elif message.command == CLSE:
        stream.end()


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="A stand-in for a phone behind adb, for tests.",
        epilog="faults: " + "; ".join(f"{name}: {what}" for name, what in FAULTS.items()),
    )
    parser.add_argument("--root", required=True, type=Path, help="its file system")
    parser.add_argument("--chip", default="SM8550")
    parser.add_argument("--serial", default="STANDIN0")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fault", action="append", default=[], metavar="NAME[:KEY=VALUE...]")
    options = parser.parse_args()
    root = options.root.resolve()
    if any(sign in str(root) for sign in " '\"$\\"):
        parser.error("--root must be a path without spaces and quotes")
    root.mkdir(parents=True, exist_ok=True)
    faults = Faults(root)
    for text in options.fault:
        name, *pairs = text.split(":")
        split = [pair.split("=") for pair in pairs]
        faults.add(name, **{key: float(value) for key, value in split})
    device = Device(Phone(root, options.chip, options.serial, faults), faults)
    listening = socket.create_server(("127.0.0.1", options.port))
    print(listening.getsockname()[1], flush=True)
    serve(listening, device)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
