"""Stand-in devices and an adb server of their own, for tests and tables."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adb.standin_device.faults import Faults

from hexdet.benchmarks.adb.client import Adb, find_adb
from hexdet.benchmarks.adb.fleet import run_devices
from hexdet.benchmarks.adb.health import Limits
from hexdet.benchmarks.adb.rows import Row, rows_of
from hexdet.benchmarks.adb.running import Pace
from hexdet.benchmarks.adb.session import Outcome, Wanted
from hexdet.datasets.opening import open_split
from hexdet.export.bundle import Bundle
from hexdet.export.sdk.discovery import discover
from hexdet.export.stages import STAGES

MakeDevice = Callable[..., "StandIn"]
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


def usual(**changes: Any) -> Wanted:
    """Return a wish that takes a moment: one row, two runs, hardly any waiting."""
    pace = Pace(inferences=2, throughput_s=changes.pop("throughput_s", 1),
                run_limit_s=changes.pop("run_limit_s", 60.0))  # fmt: skip
    values: dict[str, Any] = {
        "runtimes": ("dsp",), "profiles": ("burst",), "samples": 2, "retries": 1,
        "limits": Limits(wait_s=changes.pop("wait_s", 20.0), look_s=0.3), "reconnect_s": 10.0,
        "device_dir": "/data/local/tmp/it's a folder",
    }  # fmt: skip
    return Wanted(**{**values, "pace": pace, **changes})


@dataclass(kw_only=True)
class Told:
    """What came of devices, and every sentence that was said meanwhile."""

    outcomes: list[Outcome]
    rows: list[Row]
    said: list[str]

    @property
    def words(self) -> str:
        """Return all that a user sees of what went wrong."""
        problems = [problem for outcome in self.outcomes for problem in outcome.problems]
        return "\n".join([*self.said, *problems, *(row.reason for row in self.rows)])


class Place:
    """A bundle, an SDK, an adb server and pictures: what a user has before devices come."""

    def __init__(self, bundle: Path, sdk: Path, server: Server) -> None:
        self.bundle, self.sdk, self.server = bundle, sdk, server

    def run(self, devices: Sequence[StandIn], wanted: Wanted, images: int = 2) -> Told:
        """Measure on devices, as the door does."""
        bundle = Bundle(self.bundle, STAGES)
        dataset = open_split(bundle.recipe().data, "test")
        records = [dataset[index] for index in range(images)]
        found = discover(self.sdk, None, os.environ).sdk
        assert found is not None
        said: list[str] = []
        outcomes = run_devices(
            Adb(self.server.program),
            [device.serial for device in devices],
            bundle,
            found,
            wanted,
            records,
            os.environ,
            lambda serial, text: said.append(text),
        )
        rows = [
            row
            for outcome in outcomes
            for row in rows_of(outcome, wanted.runtimes, wanted.profiles, wanted.samples)
        ]
        return Told(outcomes=outcomes, rows=rows, said=said)
