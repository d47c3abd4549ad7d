"""What a phone tells of itself: properties, battery, temperatures, clocks; as files of its root."""

from __future__ import annotations

import shutil
import stat
import sys
import threading
import time
from pathlib import Path

from adb.standin_device.faults import Faults

MARK = "ro.hexdet.standin"
SKIN_C, LIMIT_C = 31.0, 43.0
FASTEST_KHZ = (2016000, 2803200, 3187200)
TOOL = "hexdet-standin-tool"
_SCRIPT = "#!/bin/sh\n# a stand-in for tests\n"


class Phone:
    """The files below `root`, in the state of this moment.

    busy: how many runs of a network go on. warm_until: moment when it stops throttling.
    """

    def __init__(self, root: Path, chip: str, serial: str, faults: Faults) -> None:
        self.root = root
        self.temporary = root / "data" / "local" / "tmp"
        self.busy, self.warm_until = 0, 0.0
        self._faults = faults
        self._writing = threading.Lock()
        self._hot_since: float | None = None
        self.temporary.mkdir(parents=True, exist_ok=True)
        self._told = root / "told"
        self._told.mkdir(exist_ok=True)
        for index, khz in enumerate(FASTEST_KHZ):
            self._put(f"sys/devices/system/cpu/cpu{index}/cpufreq/cpuinfo_max_freq", khz)
            self._put(f"sys/devices/system/cpu/cpu{index}/cpufreq/scaling_governor", "walt")
        properties = {
            "ro.product.manufacturer": "hexdet", "ro.product.model": "stand-in",
            "ro.soc.manufacturer": "QTI", "ro.soc.model": chip, "ro.board.platform": "standin",
            "ro.hardware": "qcom", "ro.build.version.release": "14", "ro.build.version.sdk": "34",
            "ro.serialno": serial, MARK: "1",
        }  # fmt: skip
        lines = "".join(f"[{key}]: [{value}]\n" for key, value in properties.items())
        (self._told / "getprop").write_text(lines, encoding="utf-8")
        self._programs(chip)
        self.refresh()

    def _programs(self, chip: str) -> None:
        folder = self.root / "system" / "bin"
        folder.mkdir(parents=True, exist_ok=True)
        tool = Path(__file__).with_name("tool.py")
        for name, script in {
            "getprop": f"cat {self._told}/getprop",
            "dumpsys": f'cat "{self._told}/dumpsys-$1"',
            "df": f'cat "{self._told}/df"',
            TOOL: f'exec {sys.executable} {tool} {self.root} {chip} "$@"',
        }.items():
            path = folder / name
            path.write_text(f"{_SCRIPT}{script}\n", encoding="utf-8")
            path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def skin_c(self) -> float:
        """Return the temperature of its skin."""
        if time.monotonic() < self.warm_until:
            return LIMIT_C + 2
        hot = self._faults.find("hot")
        if hot is None:
            self._hot_since = None
            return SKIN_C
        since = self._hot_since or time.monotonic()
        return max(SKIN_C, float(hot["celsius"]) - (time.monotonic() - since) * float(hot["per_s"]))

    def throttle(self, seconds: float) -> None:
        """Be warm for so long, as a phone is on whose clocks are capped."""
        self.warm_until = time.monotonic() + seconds

    def look(self) -> None:
        """Begin to cool with the first look at its temperatures."""
        if self._faults.find("hot") is not None:
            self._hot_since = self._hot_since or time.monotonic()

    def refresh(self) -> None:
        """Write what every command that comes next shall read."""
        with self._writing:
            self._refresh()

    def _refresh(self) -> None:
        skin = self.skin_c
        hidden = self._faults.find("no-sensors") is not None
        status = 2 if skin > LIMIT_C else 0
        share = 0.6 if status else 1.0
        for index, khz in enumerate(FASTEST_KHZ):
            folder = f"sys/devices/system/cpu/cpu{index}/cpufreq"
            self._put(f"{folder}/scaling_max_freq", round(khz * share))
            self._put(f"{folder}/scaling_cur_freq", round(khz * share * (1 if self.busy else 0.2)))
        if hidden:
            shutil.rmtree(self.root / "sys" / "class" / "thermal", ignore_errors=True)
        zones = {"cpu-0-0": skin + 6, "nsphvx-0": skin + 4, "gpuss-0": skin + 3, "battery": skin}
        for index, (name, celsius) in enumerate({} if hidden else zones.items()):
            self._put(f"sys/class/thermal/thermal_zone{index}/type", name)
            self._put(f"sys/class/thermal/thermal_zone{index}/temp", round(celsius * 1000))
        battery = "" if hidden else f"  temperature: {round(skin * 10)}\n"
        self._tell(
            "dumpsys-battery",
            "Current Battery Service state:\n  AC powered: false\n  USB powered: true\n"
            f"  status: 2\n  level: 85\n  scale: 100\n  voltage: 4200\n{battery}",
        )
        rows = [(skin, 3, "skin"), (skin + 6, 0, "CPU0"), (0.0, 4, "USB"), (skin, 2, "battery")]
        temperatures = "".join(
            f"\tTemperature{{mValue={value:.1f}, mType={kind}, mName={name}, mStatus={status}}}\n"
            for value, kind, name in rows
        )
        self._tell(
            "dumpsys-thermalservice",
            ""
            if hidden
            else f"IsStatusOverride: false\nThermal Status: {status}\nCached temperatures:\n"
            f"\tTemperature{{mValue=99.0, mType=3, mName=old, mStatus=0}}\nHAL Ready: true\n"
            f"Current temperatures from HAL:\n{temperatures}Current cooling devices from HAL:\n",
        )
        full = self._faults.find("full")
        free = 8_000_000 if full is None or full.get("hidden") else int(full["bytes"]) // 1024
        self._tell(
            "df",
            "Filesystem     1K-blocks    Used Available Use% Mounted on\n"
            f"/dev/block/dm-0  16000000 1000000 {free} 12% /data\n",
        )

    def into(self, text: str) -> str:
        """Return a command or path of the device in terms of this PC's files."""
        for name in ("/data/local/tmp", "/sys/class/", "/sys/devices/"):
            text = text.replace(name, f"{self.root}{name}")
        return text

    def out_of(self, data: bytes) -> bytes:
        """Return what a command printed in terms of the device's files."""
        return data.replace(str(self.root).encode(), b"")

    def _put(self, name: str, value: object) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, f"{value}\n")

    def _tell(self, name: str, text: str) -> None:
        _replace(self._told / name, text)


def _replace(path: Path, text: str) -> None:
    """Write a file so that whoever reads it meanwhile sees the old or the new one."""
    part = path.with_name(f".{path.name}")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
