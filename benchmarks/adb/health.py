"""How a device is: temperatures, clocks, battery, thermal status; and whether it throttled."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import DeviceError
from .client import Connection

SKIN = 3
"""The type of the sensors beneath a phone's skin (Android's thermal HAL)."""
STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
CAPPED = 0.95
"""A limit of a core's clock below this share of the fastest it can is a cap."""
POSSIBLE_C = (5.0, 120.0)
"""Outside, a sensor is absent or counts in another unit: many report 0 or -40000."""

ZONES, CORES = "/sys/class/thermal/thermal_zone", "/sys/devices/system/cpu/cpu"
_QUICK = (
    f"grep -sH '' {ZONES}*/type {ZONES}*/temp {CORES}[0-9]*/cpufreq/scaling_cur_freq "
    f"{CORES}[0-9]*/cpufreq/scaling_max_freq {CORES}[0-9]*/cpufreq/cpuinfo_max_freq"
)
"""One process for all of them: phones have a hundred zones, and looking must not warm them."""
_FULL = f"{_QUICK}\necho battery; dumpsys battery 2>/dev/null; echo thermal; " + (
    "dumpsys thermalservice 2>/dev/null"
)
_FILE = re.compile(r"^(/sys/\S+)/(\w+):(.*)$", re.MULTILINE)
_TEMPERATURE = re.compile(r"Temperature\{mValue=(-?[\d.]+), mType=(-?\d+), mName=([^,}]*)")


@dataclass(frozen=True, kw_only=True)
class Health:
    """A device at one moment; None where it does not tell.

    skin_c: the warmest sensor beneath the skin. status: Android's thermal status, 0 to 6.
    hottest_c: the warmest of the kernel's zones, `hottest` by name. clock_mhz: of the fastest
    core now. cap: the smallest limit of a core's clock, as a share of the fastest that it can.
    """

    skin_c: float | None
    battery_c: float | None
    battery_percent: int | None
    status: int | None
    hottest: str
    hottest_c: float | None
    clock_mhz: float | None
    cap: float | None

    @property
    def gate_c(self) -> float | None:
        """Return the temperature that a run waits for: of skin, battery, or the hottest zone."""
        known = (self.skin_c, self.battery_c, self.hottest_c)
        return next((celsius for celsius in known if celsius is not None), None)

    @property
    def sensor(self) -> str:
        """Return which of them that is."""
        if self.skin_c is not None:
            return "skin"
        return "battery" if self.battery_c is not None else self.hottest or "none"

    def told(self) -> dict[str, Any]:
        """Return it as plain data, with what runs wait for."""
        return {**asdict(self), "gate_c": self.gate_c, "sensor": self.sensor}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a run may begin, and when it is void: Celsius, seconds. look_s: from look to look."""

    cool_below_c: float = 38.0
    void_above_c: float = 45.0
    wait_s: float = 900.0
    look_s: float = 5.0


def read_health(connection: Connection, *, quick: bool = False) -> Health:
    """Ask a device how it is. quick: the kernel's files alone, which cost it next to nothing."""
    return parse_health(connection.shell(_QUICK if quick else _FULL).out)


def parse_health(text: str) -> Health:
    """Read what the device printed; whatever is missing or impossible is None."""
    kernel, _, rest = text.partition("\nbattery\n")
    battery, _, thermal = rest.partition("\nthermal\n")
    files: dict[str, dict[str, str]] = {}
    for folder, name, value in _FILE.findall(kernel):
        files.setdefault(folder, {})[name] = value.strip()
    zones, clocks, caps = {}, [], []
    for told in files.values():
        celsius = _number(told.get("temp"))
        if celsius is not None:
            # Most zones count thousandths of a degree, some of old phones whole ones.
            celsius /= 1000 if abs(celsius) > 200 else 1
            if POSSIBLE_C[0] < celsius < POSSIBLE_C[1]:
                zones[told.get("type", "?")] = celsius
        now, limit, fastest = (
            _number(told.get(name))
            for name in ("scaling_cur_freq", "scaling_max_freq", "cpuinfo_max_freq")
        )
        if now is not None:
            clocks.append(now / 1000)
        if limit is not None and fastest:
            caps.append(limit / fastest)
    hottest = max(zones, key=lambda name: zones[name], default="")
    current = thermal.partition("Current temperatures from HAL:")[2].partition("cooling")[0]
    skins = [float(c) for c, kind, _ in _TEMPERATURE.findall(current) if int(kind) == SKIN]
    skins = [celsius for celsius in skins if POSSIBLE_C[0] < celsius < POSSIBLE_C[1]]
    tenths, percent = _field(battery, "temperature"), _field(battery, "level")
    status = _field(thermal, "Thermal Status")
    return Health(
        skin_c=max(skins, default=None),
        battery_c=None if tenths is None or tenths <= 0 else tenths / 10,
        battery_percent=None if percent is None else int(percent),
        status=None if status is None else int(status),
        hottest=hottest,
        hottest_c=zones.get(hottest),
        clock_mhz=max(clocks, default=None),
        cap=min(caps, default=None),
    )


def _field(text: str, name: str) -> float | None:
    found = re.search(rf"^\s*{name}: (-?\d+)\s*$", text, re.MULTILINE)
    return float(found[1]) if found else None


def _number(word: str | None) -> float | None:
    try:
        return None if word is None else float(word)
    except ValueError:
        return None


def throttled(moments: list[Health], limits: Limits) -> str:
    """Return all why a run during which these were seen is void; nothing where it is not.

    The clock of the DSP cannot be read: what is judged are Android's own verdict, the cores' caps
    and the temperature.
    """
    reasons = []
    status = max((m.status for m in moments if m.status is not None), default=0)
    if status > 0:
        reasons.append(f"thermal status {STATUS[min(status, len(STATUS) - 1)]}")
    cap = min((m.cap for m in moments if m.cap is not None), default=1.0)
    if cap < CAPPED:
        reasons.append(f"a core's clock was capped at {cap:.0%}")
    # A quick look sees the kernel's zones alone: a core at 70 C is no skin at 70 C.
    same = [m for m in moments if m.sensor == moments[0].sensor and m.gate_c is not None]
    hottest = max(same, key=_gate, default=None)
    if hottest is not None and _gate(hottest) > limits.void_above_c:
        reasons.append(
            f"{hottest.sensor} at {_gate(hottest):.1f} C, over {limits.void_above_c:g} C"
        )
    return ", ".join(reasons)


def _gate(health: Health) -> float:
    return health.gate_c or 0.0


def wait_until_cool(
    connection: Connection, limits: Limits, say: Callable[[str], None], stop: threading.Event
) -> tuple[Health, str]:
    """Wait until a device is cool and does not throttle; return how it is, and why it is not cool.

    The reason is empty where it is cool, or where it tells no temperature at all. Raises
    DeviceError where somebody stops the waiting.
    """
    end = time.monotonic() + limits.wait_s
    told = False
    while True:
        health = read_health(connection)
        warm = throttled([health], limits)
        if not warm and health.gate_c is not None and health.gate_c > limits.cool_below_c:
            warm = f"{health.sensor} at {health.gate_c:.1f} C, over {limits.cool_below_c:g} C"
        if not warm:
            return health, ""
        if time.monotonic() >= end:
            return health, f"still warm after {limits.wait_s:g} s: {warm}"
        if not told:
            say(f"waiting until it is cool: {warm}")
            told = True
        if stop.wait(min(limits.look_s, max(end - time.monotonic(), 0.05))):
            raise DeviceError(f"{connection.serial}: interrupted; run it again to go on")
