"""Stand-in devices and an adb server of their own, for tests and tables."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from hexdet.benchmarks.adb.client import find_adb
from standin_device.faults import Faults

SERVE = Path(__file__).parent / "standin_device" / "serve.py"


class StandIn:
    """One stand-in device's process."""

    def __init__(self, root: Path, *, chip: str = "SM8550", name: str = "STANDIN0") -> None:
        self.root, self.chip, self.name = root, chip, name
        root.mkdir(parents=True, exist_ok=True)
        self.faults = Faults(root)
        self._port = 0
        self.start()

    def start(self) -> None:
        """Start it, on the port that it had before."""
        words = ["--root", str(self.root), "--chip", self.chip, "--serial", self.name]
        self._process = subprocess.Popen(
            [sys.executable, str(SERVE), *words, "--port", str(self._port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    @property
    def serial(self) -> str:
        """Return what adb calls it."""
        return f"127.0.0.1:{self._port}"

    @property
    def files(self) -> list[str]:
        """Return what lies on it, as paths below /data/local/tmp."""
        folder = self.root / "data" / "local" / "tmp"
        found = (path for path in folder.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(folder)) for path in found)

    def arm(self, name: str, **values: Any) -> None:
        """Tell it to do something wrong."""
        self.faults.add(name, **values)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


class Server:
    """An adb server on a port of its own, with a home of its own: the user's is not touched."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        folder.mkdir(parents=True, exist_ok=True)
        self.program = find_adb(None, os.environ)
        self.environment = {
            "ANDROID_ADB_SERVER_PORT": str(self.port),
            "HOME": str(folder),
            "ADB_MDNS_OPENSCREEN": "0",
            "HEXDET_ADB": str(self.program),
        }

    def call(self, *words: str) -> str:
        """Run adb against this server and return what it printed."""
        done = subprocess.run(
            [str(self.program), *words],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout + done.stderr

    def connect(self, device: StandIn) -> str:
        """Connect a device and return its serial."""
        self.call("start-server")
        end = time.monotonic() + 20
        while True:
            self.call("connect", device.serial)
            if f"{device.serial}\tdevice" in self.call("devices"):
                return device.serial
            if time.monotonic() > end:
                raise TimeoutError(f"adb does not see {device.serial}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End the server."""
        self.call("kill-server")
