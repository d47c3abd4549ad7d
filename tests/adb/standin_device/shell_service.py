"""adb's shell: commands run by this PC's sh, within the device's folder; v1 and v2."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import threading
import time
from typing import IO

from adb.standin_device.faults import Faults
from adb.standin_device.phone import Phone
from adb.standin_device.wire import ClosedError, Stream

STDOUT, STDERR, EXIT = 1, 2, 3
PASSED = ("HEXDET_STANDIN_CACHE", "HEXDET_STANDIN_CONTEXTS")
LONGEST_S, STAYS_WARM_S = 3600.0, 2.0
MOMENT_S = 0.3
"""How long a network runs before the connection is cut in its midst."""


class Device:
    """What the services of one device share: its phone, its faults, and how it dies."""

    def __init__(self, phone: Phone, faults: Faults) -> None:
        self.phone = phone
        self.faults = faults
        self.dead = threading.Event()


def serve_shell(stream: Stream, service: str, device: Device) -> None:
    """Run the command of `shell:COMMAND` or `shell,v2,...:COMMAND` to its end."""
    options, _, command = service.partition(":")
    new = "v2" in options.split(",")
    phone = device.phone
    runs_network = "net-run" in command and "hexdet-rc" in command and "pid" in command
    throttles = False
    if runs_network:
        phone.busy += 1
        throttles = device.faults.take("throttle") is not None
        if throttles:
            phone.throttle(LONGEST_S)
    phone.refresh()
    if "thermalservice" in command:
        phone.look()
    environment = {
        "PATH": f"{phone.root}/system/bin:/usr/bin:/bin",
        "HOME": str(phone.root),
        **{name: os.environ[name] for name in PASSED if name in os.environ},
    }
    process = subprocess.Popen(
        ["/bin/sh", "-c", phone.into(command)],
        cwd=phone.root,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if new else subprocess.STDOUT,
        start_new_session=True,
    )
    if runs_network:
        threading.Thread(target=_cut, args=(stream, device), daemon=True).start()
    writing = threading.Lock()
    pipes = [(process.stdout, STDOUT), (process.stderr, STDERR)]
    pumps = [
        threading.Thread(target=_pump, args=(pipe, kind, stream, device, new, writing))
        for pipe, kind in pipes
        if pipe is not None
    ]
    for pump in pumps:
        pump.start()
    for pump in pumps:
        pump.join()
    code = process.wait()
    if runs_network:
        phone.busy -= 1
        if throttles:
            phone.throttle(STAYS_WARM_S)
    if new:
        stream.write(struct.pack("<BI", EXIT, 1) + bytes([code if code >= 0 else 128 - code]))
    stream.close()


def _pump(
    pipe: IO[bytes], kind: int, stream: Stream, device: Device, new: bool, writing: threading.Lock
) -> None:
    with pipe:
        for line in pipe:
            data = device.phone.out_of(line)
            head = struct.pack("<BI", kind, len(data)) if new else b""
            try:
                with writing:
                    stream.write(head + data)
            except ClosedError:
                return


def _cut(stream: Stream, device: Device) -> None:
    lost, dies = device.faults.take("lost-in-run"), device.faults.take("dies-in-run")
    if lost or dies:
        time.sleep(MOMENT_S)
        if dies:
            device.dead.set()
            os.kill(os.getpid(), signal.SIGTERM)
        stream.wire.cut()
