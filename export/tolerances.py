"""How far two stages of the same network may be apart, and why: one row a comparison."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """A limit and the reason for it."""

    limit: float
    unit: str
    reason: str


FLOAT_GRAPH = Tolerance(
    limit=1e-4,
    unit="share of the output's range",
    reason="both compute in float32; only the order of summation may differ",
)
EMULATOR_CODES = Tolerance(
    limit=12,
    unit="8-bit codes, largest difference",
    reason="the HTP rounds its requantization another way than onnxruntime; up to 8 was seen on "
    "trained detectors over 71 layers",
)
EMULATOR_MEAN_CODES = Tolerance(
    limit=1.0,
    unit="8-bit codes, mean difference",
    reason="rounding errors are rare and without bias: their mean stays under one code",
)
