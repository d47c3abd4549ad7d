"""What of the SDK a device needs to run a network: programs, libraries, and skeletons for its DSP.

Nothing of it comes without the SDK: the onnxruntime-qnn wheel for aarch64 has these libraries for
glibc alone and no program that runs a network, so that it serves boards, not phones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ...errors import DeviceError
from ...export.sdk.discovery import Sdk
from .identity import Device

Family = Literal["snpe", "qnn"]
Runtime = Literal["cpu", "gpu", "dsp"]
FIRST_HTP = 68
FIRST_NEW_LAYOUT = (2, 11)
"""Large, and only for a network that is compiled on the device."""
PROGRAMS = {"snpe": "snpe-net-run", "qnn": "qnn-net-run"}
THROUGHPUT = "snpe-throughput-net-run"


@dataclass(frozen=True, kw_only=True)
class Kit:
    """Files for a device by the folder below its root that they go to: bin, lib, dsp/lib."""

    family: Family
    folders: dict[str, tuple[Path, ...]]

    def has(self, name: str) -> bool:
        """Return whether a file of that name goes along."""
        return any(path.name == name for paths in self.folders.values() for path in paths)

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(path.stat().st_size for paths in self.folders.values() for path in paths)


def pack_kit(
    sdk: Sdk, device: Device, runtimes: Sequence[Runtime], family: Family, *, prepared: bool
) -> Kit:
    """Choose what a device needs.

    prepared: the network is compiled for its chip already. Raises DeviceError where the SDK lacks
    something, most often because it is older than the chip.
    """
    triple = _triple(sdk, device, PROGRAMS[family])
    skeletons = "lib/dsp"
    if sdk.number >= FIRST_NEW_LAYOUT:
        skeletons = f"lib/hexagon-v{device.arch}/unsigned"
    arch = device.arch
    found: dict[str, list[Path]] = {"bin": [], "lib": [], "dsp/lib": []}
    for name, folder, source, needed in (
        *_programs(family, triple),
        *_host_side(sdk, family, triple, arch, runtimes, prepared=prepared),
        *(_dsp_side(sdk, family, skeletons, arch) if "dsp" in runtimes else ()),
    ):
        path = sdk.root / source / name
        if path.is_file():
            found[folder].append(path)
        elif needed:
            raise DeviceError(
                f"{sdk.title} has no {source}/{name}, which {device.chip} (v{arch}) needs: take an "
                f"SDK that knows this chip"
            )
    return Kit(family=family, folders={name: tuple(paths) for name, paths in found.items()})


_File = tuple[str, str, str, bool]
"""Name, folder on the device, folder of the SDK, whether nothing works without it."""


def _programs(family: Family, triple: str) -> Iterator[_File]:
    yield PROGRAMS[family], "bin", f"bin/{triple}", True
    if family == "snpe":
        yield THROUGHPUT, "bin", f"bin/{triple}", False


def _host_side(
    sdk: Sdk,
    family: Family,
    triple: str,
    arch: int,
    runtimes: Sequence[Runtime],
    *,
    prepared: bool,
) -> Iterator[_File]:
    source, htp = f"lib/{triple}", arch >= FIRST_HTP
    yield "libc++_shared.so", "lib", source, False
    dsp = "dsp" in runtimes
    if family == "snpe":
        yield "libSNPE.so", "lib", source, True
        if dsp and sdk.number[0] == 1 and not htp:
            yield "libsnpe_dsp_domains_v2.so", "lib", source, True
        elif dsp:
            yield f"libSnpe{'Htp' if htp else 'Dsp'}V{arch}Stub.so", "lib", source, True
        if dsp and htp and not prepared:
            yield "libSnpeHtpPrepare.so", "lib", source, False
        return
    yield "libQnnSystem.so", "lib", source, True
    yield "libQnnModelDlc.so", "lib", source, not prepared
    if "cpu" in runtimes:
        yield "libQnnCpu.so", "lib", source, True
    if "gpu" in runtimes:
        yield "libQnnGpu.so", "lib", source, True
    if dsp:
        yield "libQnnHtp.so" if htp else "libQnnDsp.so", "lib", source, True
        yield f"libQnn{'Htp' if htp else 'Dsp'}V{arch}Stub.so", "lib", source, True
        yield "libQnnHtpNetRunExtensions.so", "lib", source, htp
        if htp and not prepared:
            yield "libQnnHtpPrepare.so", "lib", source, True


def _dsp_side(sdk: Sdk, family: Family, source: str, arch: int) -> Iterator[_File]:
    htp = arch >= FIRST_HTP
    if family == "qnn":
        yield f"libQnn{'Htp' if htp else 'Dsp'}V{arch}Skel.so", "dsp/lib", source, True
    elif sdk.number[0] == 1 and not htp:
        yield f"libsnpe_dsp_v{arch}_domains_v2_skel.so", "dsp/lib", source, True
    else:
        yield f"libSnpe{'Htp' if htp else 'Dsp'}V{arch}Skel.so", "dsp/lib", source, True


def _triple(sdk: Sdk, device: Device, program: str) -> str:
    """Return the SDK's folder for the device's system, the newest compiler's where there are more.

    Raises DeviceError where it has none.
    """
    wanted = "aarch64-android" if device.system == "android" else "aarch64-oe-linux"
    names = [
        path.parent.name
        for path in (sdk.root / "bin").glob(f"{wanted}*/{program}")
        if path.is_file()
    ]
    if not names:
        raise DeviceError(f"{sdk.title} has no {program} for {wanted} in {sdk.root / 'bin'}")
    return max(names, key=lambda name: [float(n) for n in re.findall(r"\d+(?:\.\d+)?", name)])
