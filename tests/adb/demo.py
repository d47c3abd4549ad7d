"""Run `hexdet bench adb` against stand-in devices and a stand-in SDK, all in a folder of its own.

python tests/adb/demo.py [--chip SM8550]... [--fault NAME[:KEY=VALUE...]]... BUNDLE [OPTIONS...]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from adb.device_sdk import make_device_sdk
from adb.rig import Server, StandIn


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chip", action="append", help="a device of that chip each time")
    parser.add_argument("--fault", action="append", default=[], help="of the first device")
    parser.add_argument("--version", default="2.25", help="of the SDK that is imitated")
    options, words = parser.parse_known_args()
    devices: list[StandIn] = []
    with tempfile.TemporaryDirectory(prefix="hexdet-adb-demo-") as name:
        folder = Path(name)
        server = Server(folder / "home")
        sdk = make_device_sdk(folder / "sdk", options.version)
        os.environ["HEXDET_STANDIN_CONTEXTS"] = next((w for w in words if Path(w).is_dir()), ".")
        try:
            for number, chip in enumerate(options.chip or ["SM8550"]):
                device = StandIn(folder / f"phone{number}", chip=chip, name=f"STANDIN{number}")
                devices.append(device)
                server.connect(device)
            for text in options.fault:
                fault, *pairs = text.split(":")
                values = {key: float(value) for key, _, value in (p.partition("=") for p in pairs)}
                devices[0].arm(fault, **values)
            command = [str(Path(sys.executable).with_name("hexdet")), "bench", "adb", *words]
            results = ["--results", str(folder / "results.jsonl")]
            return subprocess.run(
                [*command, "--sdk", str(sdk), *results],
                env={**os.environ, **server.environment},
                check=False,
            ).returncode
        finally:
            for device in devices:
                device.stop()
            server.stop()


if __name__ == "__main__":
    raise SystemExit(main())
