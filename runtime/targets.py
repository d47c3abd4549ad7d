"""The Snapdragon chips that a network can be prepared for, and why the others are refused."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType

from ..errors import RecipeError

OVERVIEW = "QNN overview, QAIRT 2.25"
LIBRARY = "libQnnHtp 2.51"
EXECUTORCH = "ExecuTorch"
FIELD_NOTES = "public field notes"
MIGRATION = "QNN migration page"


@dataclass(frozen=True, kw_only=True)
class Target:
    """A chip whose Hexagon runs quantized networks through the HTP.

    soc_model: Qualcomm's number of it in QNN; not unique, kin share one.
    arch: Hexagon version.
    vtcm_mb: tightly coupled memory in MB; None where no public source says.
    int8, int16, fp16: whether it computes with such activations; None where not known.
    sources: where number, version and memory come from.
    """

    name: str
    marketing: str
    soc_model: int
    arch: int
    vtcm_mb: int | None
    int8: bool | None
    int16: bool | None
    fp16: bool | None
    sources: tuple[str, ...]


# fp16 by version: v68 and v69 differ from chip to chip, so that only what is documented counts.
_FP16: dict[int, bool | None] = {68: None, 69: None, 73: True, 75: True, 79: True, 81: True}
_NO_FP16 = {"SM8350", "SM8350P", "SM7350", "QCS6490"}

# name, marketing name, soc_model, Hexagon version, VTCM in MB, source of what OVERVIEW lacks.
# QNN 2.51 itself, asked for each of these numbers, reports the same version.
_ROWS: tuple[tuple[str, str, int, int, int | None, tuple[str, ...]], ...] = (
    ("SM8850", "Snapdragon 8 Elite Gen 5", 87, 81, 8, (EXECUTORCH,)),
    ("SM8845", "", 97, 81, 8, (EXECUTORCH,)),
    ("SM8750", "Snapdragon 8 Elite", 69, 79, 8, (EXECUTORCH,)),
    ("SM8650", "Snapdragon 8 Gen 3", 57, 75, 8, (EXECUTORCH,)),
    ("SM8635", "Snapdragon 8s Gen 3", 68, 73, None, ()),
    ("SM8550", "Snapdragon 8 Gen 2", 43, 73, 8, (EXECUTORCH,)),
    ("SM8475", "Snapdragon 8+ Gen 1", 42, 69, 8, (EXECUTORCH,)),
    ("SM8450", "Snapdragon 8 Gen 1", 36, 69, 8, (EXECUTORCH,)),
    ("SM8350", "Snapdragon 888", 30, 68, 4, (EXECUTORCH,)),
    ("SM8350P", "Snapdragon 888+", 30, 68, 4, (EXECUTORCH,)),
    ("SM8325", "", 34, 68, None, ()),
    ("SM7350", "Snapdragon 780G", 32, 68, None, ()),
    ("SM7315", "", 38, 68, None, ()),
    ("SM7675", "Snapdragon 7+ Gen 3", 70, 73, None, ()),
    ("SM7475", "Snapdragon 7+ Gen 2", 54, 69, None, ()),
    ("SM7450", "Snapdragon 7 Gen 1", 41, 69, 2, (MIGRATION,)),
    ("SM7325", "Snapdragon 778G", 35, 68, 2, (EXECUTORCH,)),
    # ExecuTorch and QNN 2.51 also know these two as 93; older releases only know 35.
    ("QCM6490", "", 35, 68, 2, (EXECUTORCH,)),
    ("QCS6490", "", 35, 68, 2, (EXECUTORCH,)),
    ("SM6450", "Snapdragon 6 Gen 1", 50, 73, None, ()),
    ("QCS8550", "", 66, 73, None, ()),
    ("QCS9100", "IQ9", 77, 73, 8, (FIELD_NOTES,)),
    ("QCS8300", "IQ8", 82, 75, 8, (FIELD_NOTES,)),
    ("SA8295", "", 39, 68, 8, (EXECUTORCH,)),
    ("SA8540", "", 62, 68, 8, (EXECUTORCH,)),
    ("SA8255", "", 52, 73, 8, (EXECUTORCH,)),
    ("SA8650", "", 52, 73, None, ()),
    ("SA8775", "", 52, 73, None, ()),
    ("SA7255", "", 67, 75, None, (LIBRARY,)),
    ("SA8610", "", 67, 75, None, (LIBRARY,)),
    ("SA8620", "", 67, 75, None, (LIBRARY,)),
    ("SA8797", "", 72, 81, 16, (EXECUTORCH,)),
    ("SC8280X", "Snapdragon 8cx Gen 3", 37, 68, None, ()),
    ("SC8380XP", "Snapdragon X Elite", 60, 73, None, ()),
    ("SC8480XP", "Snapdragon X2 Elite", 88, 81, None, ()),
    ("SXR1230P", "", 45, 73, 2, (EXECUTORCH,)),
    ("SXR2230P", "", 53, 69, 8, (EXECUTORCH,)),
    ("SXR2330P", "", 75, 79, 8, (EXECUTORCH,)),
    ("SSG2115P", "", 46, 73, 2, (EXECUTORCH,)),
    ("SSG2125P", "", 58, 73, 2, (EXECUTORCH,)),
    ("SAR2230P", "", 95, 81, 4, (EXECUTORCH,)),
    ("SW6100", "", 96, 81, 4, (EXECUTORCH,)),
    ("IPQ9650", "", 117, 81, None, ()),
)

TARGETS = MappingProxyType(
    {
        name: Target(
            name=name,
            marketing=marketing,
            soc_model=soc_model,
            arch=arch,
            vtcm_mb=vtcm_mb,
            int8=True,
            int16=True,
            fp16=False if name in _NO_FP16 else _FP16[arch],
            sources=(OVERVIEW, *sources),
        )
        for name, marketing, soc_model, arch, vtcm_mb, sources in _ROWS
    }
)
"""Every chip by its name, newest of a family first."""

_V65 = ("SDM845", "SDM670", "SDM710", "SM7150")
_V66 = (
    *("SM8250", "SM8150", "SM7250", "SM7225", "SM6375", "SM6350", "SM6225", "SM6150", "SM6115"),
    *("SM4350", "SM4250", "QRB5165", "QRB4210", "QCM6125", "QCM4290", "QCS610", "QCS410"),
    *("QCS7230",),
)
LEGACY = MappingProxyType({**dict.fromkeys(_V65, 65), **dict.fromkeys(_V66, 66)})
"""Hexagon version of the chips that only the older DSP runtime drives."""

REFUSED = MappingProxyType(
    {
        "SM4450": "it has no DSP that runs networks",
        "QCM4490": "it has no DSP that runs networks",
        "SC7280X": "QNN 2.51 does not know its number 44 (v68)",
    }
)
"""Why other chips cannot be prepared for."""

_REFERENCES = ("SM8350", "SM8450", "SM8550", "SM8650", "SM8750", "SM8850")
SOC_MODEL_OF_ARCH = MappingProxyType({TARGETS[n].arch: TARGETS[n].soc_model for n in _REFERENCES})
"""The number of the chip that stands for each Hexagon version."""


def find_target(name: str) -> Target:
    """Return the chip of a name such as `SM8550`, in any case.

    Raises RecipeError for an unknown one, naming its nearest, and for one without an HTP.
    """
    wanted = name.strip().upper()
    if wanted in TARGETS:
        return TARGETS[wanted]
    if wanted in LEGACY:
        raise RecipeError(
            f"{wanted} has a Hexagon v{LEGACY[wanted]}, the HTP begins at v68: its DLC is for the "
            f"older DSP runtime, and Qualcomm's SDK makes it: hexdet dlc BUNDLE --toolchain sdk "
            f"--target {wanted}"
        )
    if wanted in REFUSED:
        raise RecipeError(f"{wanted} cannot be a target: {REFUSED[wanted]}")
    near = difflib.get_close_matches(wanted, [*TARGETS, *LEGACY], n=3, cutoff=0.5)
    hint = f"; nearest: {', '.join(near)}" if near else f"; known: {', '.join(TARGETS)}"
    raise RecipeError(f"unknown target {name!r}{hint}")


def target_of_arch(arch: int) -> Target:
    """Return the chip that stands for a Hexagon version; RecipeError for an unknown version."""
    for name in _REFERENCES:
        if TARGETS[name].arch == arch:
            return TARGETS[name]
    known = ", ".join(f"v{a}" for a in SOC_MODEL_OF_ARCH)
    raise RecipeError(f"Hexagon v{arch} is not known; known: {known}")
