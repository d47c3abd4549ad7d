"""What is behind adb: the client, whether a server runs, and the devices with their chips."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..errors import RecipeError
from ..runtime.targets import LEGACY, find_target
from .adb_server import AdbServer, Attached
from .finding import Finding

CLIENT_LIMIT_S = 10.0
STATES = {
    "unauthorized": "unlock it and allow this computer in the question on its screen",
    "offline": "unplug it and plug it in again, or `adb reconnect`",
    "no permissions": "it needs udev rules: apt install android-sdk-platform-tools-common",
    "recovery": "start its usual system",
    "sideload": "start its usual system",
}
"""What to do about a device that is not ready, by how its state begins."""


def devices(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look for adb and for what is attached; all of it is optional. No server is started."""
    path = shutil.which("adb") or _bundled()
    version = _version(path) if path else ""
    server = AdbServer.of(environ)
    try:
        attached = server.devices()
    except ConnectionRefusedError:
        return [_without_server(path, version)]
    except (OSError, ValueError) as error:
        where = ":".join(map(str, server.address))
        return [
            Finding(
                what="adb",
                status="broken",
                found=f"what listens at {where} is no adb server that answers: {error}",
                advice="adb kill-server && adb start-server",
            )
        ]
    listed = [_device(server, device) for device in attached]
    count = f"{len(attached)} device{'' if len(attached) == 1 else 's'}"
    if not attached:
        advice = "optional: plug a device in, with USB debugging switched on"
        return [Finding(what="adb", status="missing", found="a server, no device", advice=advice)]
    found = f"{f'{version} ({path})' if path else 'no client'}, a server runs, {count}"
    return [Finding(what="adb", status="ok", found=found), *listed]


def _without_server(path: str, version: str) -> Finding:
    if not path:
        return Finding(
            what="adb",
            status="missing",
            found="no client",
            advice="optional, to measure on a device: apt install adb, or pip install adbutils",
        )
    return Finding(
        what="adb",
        status="missing",
        found=f"{version}; no server runs, and none was started to look for devices",
        advice=f"optional: {path} start-server, then again",
    )


def _device(server: AdbServer, device: Attached) -> Finding:
    """Return the line of one device."""
    what = f"device {device.serial}"
    if device.state != "device":
        fitting = (text for begin, text in STATES.items() if device.state.startswith(begin))
        advice = next(fitting, "")
        return Finding(what=what, status="broken", found=device.state, advice=advice)
    try:
        chip = server.chip(device.serial)
    except OSError as error:
        return Finding(what=what, status="broken", found=f"{device.model}: {error}")
    return _with_chip(what, device.model, chip)


def _with_chip(what: str, model: str, chip: str) -> Finding:
    if not chip:
        found = f"{model}: does not tell its chip"
        advice = "name it yourself where a target is asked for"
        return Finding(what=what, status="differs", found=found.removeprefix(": "), advice=advice)
    shown = ", ".join(filter(None, (model, chip)))
    try:
        target = find_target(chip)
    except RecipeError as error:
        legacy = LEGACY.get(chip.upper())
        shown += f", Hexagon v{legacy}" if legacy else ""
        return Finding(what=what, status="differs", found=shown, advice=str(error))
    marketing = f" ({target.marketing})" if target.marketing else ""
    return Finding(what=what, status="ok", found=f"{shown}{marketing}, Hexagon v{target.arch}")


def _version(path: str) -> str:
    """Return name and version of an adb client; its name alone where it does not tell."""
    try:
        done = subprocess.run(
            [path, "version"],
            capture_output=True,
            text=True,
            timeout=CLIENT_LIMIT_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "adb"
    words = [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("Version ")]
    return f"adb {words[0]}" if words else "adb"


def _bundled() -> str:
    """Return the adb that the wheel of adbutils carries; empty where there is none."""
    spec = importlib.util.find_spec("adbutils")
    if spec is None or not spec.submodule_search_locations:
        return ""
    path = Path(spec.submodule_search_locations[0]) / "binaries" / "adb"
    return str(path) if os.access(path, os.X_OK) else ""
