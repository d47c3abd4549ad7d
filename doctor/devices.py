"""What is behind adb: the client, whether a server runs, and the devices with their chips."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..benchmarks.adb.client import Adb, Connection, Listed, find_adb
from ..benchmarks.adb.identity import identify
from ..errors import DeviceError, NotRunError, RecipeError
from ..runtime.targets import find_target
from .adb_server import AdbServer
from .finding import Finding, Status

CLIENT_LIMIT_S = 10.0
STATES = {
    "unauthorized": "unlock it and allow this computer in the question on its screen",
    "offline": "unplug it and plug it in again, or `adb reconnect offline`",
    "no permissions": "it needs udev rules: apt install android-sdk-platform-tools-common",
}
"""What to do about a device that is not ready, by how its state begins."""
_NUMBER = re.compile(r"version 1\.0\.(\d+)")


def devices(environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """Look for adb and for what is attached; all of it is optional.

    No server is started, and none is ended: a client of another version is not called.
    """
    try:
        client = Adb(find_adb(None, environ))
    except NotRunError as error:
        return [_adb("missing", "no client", f"optional, to measure on a device: {error}")]
    try:
        said = client.call(["version"], CLIENT_LIMIT_S).out
    except DeviceError as error:
        return [_adb("broken", str(error))]
    number = _NUMBER.search(said)
    shown = f"adb 1.0.{number[1]} ({client.program})" if number else str(client.program)
    server = AdbServer.of(environ)
    try:
        version, attached = server.version(), server.devices()
    except ConnectionRefusedError:
        found = f"{shown}; no server runs, and none was started to look for devices"
        return [_adb("missing", found, "optional: `hexdet bench adb` starts one")]
    except (OSError, ValueError) as error:
        where = ":".join(map(str, server.address))
        found = f"what listens at {where} does not answer as an adb server: {error}"
        return [_adb("broken", found, f"{client.program} kill-server")]
    if number is None or int(number[1]) != version:
        advice = "one of them would end the other: update the older, or name yours by HEXDET_ADB"
        return [_adb("differs", f"{shown}, but the server that runs is 1.0.{version}", advice)]
    if not attached:
        advice = "optional: plug a device in, with USB debugging switched on"
        return [_adb("missing", f"{shown}, a server runs, no device", advice)]
    count = f"{len(attached)} device{'' if len(attached) == 1 else 's'}"
    listed = [_device(client, one) for one in attached]
    return [_adb("ok", f"{shown}, a server runs, {count}"), *listed]


def _adb(status: Status, found: str, advice: str = "") -> Finding:
    return Finding(what="adb", status=status, found=found, advice=advice)


def _device(client: Adb, listed: Listed) -> Finding:
    """Return the line of one device."""
    what = f"device {listed.serial}"
    if listed.state != "device":
        fitting = (text for begin, text in STATES.items() if listed.state.startswith(begin))
        advice = next(fitting, "")
        return Finding(what=what, status="broken", found=listed.state, advice=advice)
    try:
        device = identify(Connection(client, listed.serial))
    except DeviceError as error:
        return Finding(what=what, status="broken", found=str(error))
    try:
        marketing = find_target(device.chip).marketing
    except RecipeError as error:
        return Finding(what=what, status="differs", found=device.title, advice=str(error))
    found = f"{device.title}{f', {marketing}' if marketing else ''}"
    if device.guessed:
        advice = "its chip follows from its platform's name: name it yourself where it matters"
        return Finding(what=what, status="differs", found=found, advice=advice)
    return Finding(what=what, status="ok", found=found)
