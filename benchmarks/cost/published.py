"""Peak arithmetic and memory bandwidth of chips as published, each with its source, and the bound.

A chip is listed only where a public page states both numbers of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from .counting import NetworkCost

OPERATIONS_A_MAC = 2


@dataclass(frozen=True, kw_only=True)
class Peak:
    """tops: 8-bit operations of the NPU alone, 10^12 a second; gb_s: 10^9 bytes a second."""

    target: str
    tops: float
    gb_s: float
    source: str


PEAKS = (
    Peak(
        target="SC8380XP",
        tops=45,
        gb_s=136,
        source="Snapdragon X Elite at its launch, October 2023: NPU 45 TOPS "
        "(androidauthority.com, snapdragon-x-elite-announced), LPDDR5x 136 GB/s "
        "(bandwidthblog.co.za, qualcomm-snapdragon-x-elite)",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The shortest time that a chip's published peaks allow, milliseconds: an estimate.

    memory_ms: with every activation kept in the chip. spilled_ms: with none kept there.
    """

    target: str
    tops: float
    gb_s: float
    compute_ms: float
    memory_ms: float
    spilled_ms: float
    source: str

    @property
    def bound_ms(self) -> float:
        """Return what neither arithmetic nor memory allows to go below."""
        return max(self.compute_ms, self.memory_ms)


def bounds(cost: NetworkCost) -> list[Bound]:
    """Return the roofline bound of a network in 8 bits on every chip with published peaks.

    After Williams, Waterman, Patterson: Roofline (CACM 2009), for the whole network at once.
    """
    return [
        Bound(
            target=peak.target,
            tops=peak.tops,
            gb_s=peak.gb_s,
            compute_ms=1e3 * OPERATIONS_A_MAC * cost.macs / (peak.tops * 1e12),
            memory_ms=1e3 * cost.least_moved / (peak.gb_s * 1e9),
            spilled_ms=1e3 * cost.moved / (peak.gb_s * 1e9),
            source=peak.source,
        )
        for peak in PEAKS
    ]
