"""Numbers with their units, as Qualcomm's tools print them: `1234 us`, `0 NONE`, `13545 cycles`."""

from __future__ import annotations

import re
from dataclasses import dataclass

_QUANTITY = re.compile(
    r"(?P<label>.+?)\s*:\s*(?P<value>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?:\s+(?P<unit>[A-Za-z/]+))?"
)
TO_US = {"us": 1.0, "microseconds": 1.0, "ms": 1e3, "s": 1e6, "seconds": 1e6}


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A number and its unit as printed (us, cycles, count, ...); empty where there is none."""

    value: float
    unit: str

    @property
    def us(self) -> float | None:
        """Return a time in microseconds; None for cycles, counts and rates.

        A zero that has no unit, or the unit NONE, is a time of zero.
        """
        if self.unit in TO_US:
            return self.value * TO_US[self.unit]
        return 0.0 if self.value == 0 and self.unit in ("", "NONE") else None


def read_quantity(line: str) -> tuple[str, Quantity] | None:
    """Return label and quantity of a line `label: number unit`; None for any other line."""
    found = _QUANTITY.fullmatch(line.strip())
    if found is None:
        return None
    return found["label"], Quantity(value=float(found["value"]), unit=found["unit"] or "")
