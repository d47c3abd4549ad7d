"""The chips that the SDK prepares for: those with an HTP, and the older ones with their DSP."""

from __future__ import annotations

from dataclasses import dataclass

from ...runtime.targets import LEGACY, TARGETS, find_target

FIRST_HTP = 68


@dataclass(frozen=True, kw_only=True)
class SdkTarget:
    """A chip by its name and Hexagon version; soc_model: QNN's number, None before the HTP."""

    name: str
    arch: int
    soc_model: int | None

    @property
    def has_htp(self) -> bool:
        """Return whether its Hexagon is an HTP, whose networks can be prepared beforehand."""
        return self.arch >= FIRST_HTP


def find_sdk_target(name: str) -> SdkTarget:
    """Return the chip of a name such as `SM8550` or `SM8250`; RecipeError for an unknown one."""
    wanted = name.strip().upper()
    if wanted in LEGACY:
        return SdkTarget(name=wanted, arch=LEGACY[wanted], soc_model=None)
    if wanted not in TARGETS:
        find_target(name)
    target = TARGETS[wanted]
    return SdkTarget(name=target.name, arch=target.arch, soc_model=target.soc_model)
