"""Which device it is: its chip, its Hexagon and its system, from what it says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import DeviceError, RecipeError
from ...runtime.targets import LEGACY, REFUSED, find_target
from .client import Connection

STAND_IN = "ro.hexdet.standin"
"""The property of what only imitates a device: it is said wherever its figures go."""
_ASK = (
    "getprop 2>/dev/null; echo hexdet-soc; cat /sys/devices/soc0/machine 2>/dev/null; "
    "echo hexdet-uname; uname -sm; echo hexdet-memory; grep MemTotal /proc/meminfo"
)
_PROPERTY = re.compile(r"\[([^\]]+)\]: \[(.*)\]")
PLATFORMS = {
    "canoe": "SM8850", "sun": "SM8750", "pineapple": "SM8650", "kalama": "SM8550",
    "taro": "SM8450", "lahaina": "SM8350", "kona": "SM8250", "msmnile": "SM8150",
}  # fmt: skip
"""What ro.board.platform says where no property names the chip: its family's first."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device as it describes itself.

    name: its own serial number, else adb's name of it. chip: such as SM8550; arch: its Hexagon
    version. guessed: the chip was not told, but follows from the name of its platform.
    system: `android` or `linux`. stand_in: it only imitates a device, nothing of it is a figure.
    """

    serial: str
    name: str
    model: str
    chip: str
    arch: int
    guessed: bool
    system: str
    release: str
    memory_mib: int | None
    stand_in: bool

    @property
    def title(self) -> str:
        """Return model and chip for people."""
        mark = "STAND-IN, " if self.stand_in else ""
        return f"{self.model} ({mark}{self.chip}, v{self.arch})"


def identify(connection: Connection, chip: str | None = None) -> Device:
    """Ask a device what it is. chip: what it is to be taken for, instead of what it says.

    Raises DeviceError for a chip that is not known or that runs no networks.
    """
    told, _, rest = connection.shell(_ASK).out.partition("hexdet-soc\n")
    machine, _, rest = rest.partition("hexdet-uname\n")
    uname, _, memory = rest.partition("hexdet-memory\n")
    found = {match[1]: match[2] for match in _PROPERTY.finditer(told)}
    soc = found.get("ro.soc.model") or found.get("ro.vendor.soc.model.external_name")
    platform = found.get("ro.board.platform", "")
    guessed = not (chip or soc or machine.strip())
    name = (chip or soc or machine.strip() or PLATFORMS.get(platform, platform)).upper()
    if not re.search(r"aarch64|arm64|x86_64", uname):
        raise DeviceError(
            f"{connection.serial} is {uname.strip() or 'of an unknown kind'}: the SDK's programs "
            f"are for 64-bit ARM"
        )
    total = re.search(r"(\d+) kB", memory)
    words = (found.get("ro.product.manufacturer", ""), found.get("ro.product.model", ""))
    return Device(
        serial=connection.serial,
        name=found.get("ro.serialno") or connection.serial,
        model=" ".join(filter(None, words)) or machine.strip() or connection.serial,
        chip=name,
        arch=_arch(name, connection.serial, platform),
        guessed=guessed,
        system="android" if found else "linux",
        release=found.get("ro.build.version.release", uname.strip()),
        memory_mib=int(total[1]) // 1024 if total else None,
        stand_in=found.get(STAND_IN) == "1",
    )


def _arch(chip: str, serial: str, platform: str) -> int:
    if chip in LEGACY:
        return LEGACY[chip]
    if chip in REFUSED:
        raise DeviceError(f"{serial} has a {chip}: {REFUSED[chip]}")
    try:
        return find_target(chip).arch
    except RecipeError as error:
        where = f", platform {platform}" if platform else ""
        raise DeviceError(
            f"{serial} has the chip {chip or '(it names none)'}{where}, which hexdet does not "
            f"know: {error}; name one that it equals with --target"
        ) from error
