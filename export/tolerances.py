"""How far two rungs of the ladder may be apart, and why: one row a rung."""

from __future__ import annotations

from dataclasses import dataclass

NOISE_FLOOR = 0.5
"""Codes of mean distance from float that rounding alone explains."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """What a rung may differ by from the one it is compared with; None where it is not judged.

    relative: largest difference, as a share of the output's range.
    max_codes, mean_codes: largest and mean difference of any output, in 8-bit codes.
    mean_noise: the rung's mean distance from the float graph, as a multiple of what its reference
        has; NOISE_FLOOR codes are always allowed.
    matched: least share of the reference's detections that must be found again.
    """

    reason: str
    relative: float | None = None
    max_codes: float | None = None
    mean_codes: float | None = None
    mean_noise: float | None = None
    matched: float | None = None


FLOAT_GRAPH = Tolerance(
    relative=1e-4,
    matched=1.0,
    reason="both compute in float32; only the order of summation may differ",
)
QUANTIZED = Tolerance(
    mean_codes=4.0,
    matched=0.8,
    reason="8-bit codes cost accuracy by design, which the report judges; this rung only asks "
    "whether it is still the same network. Trained detectors are up to 2.8 codes from float on "
    "average; a wrong scale or layout in one layer moves every code behind it",
)
EMULATOR = Tolerance(
    mean_noise=1.25,
    max_codes=32.0,
    matched=0.9,
    reason="the HTP rounds its requantization another way than onnxruntime, and 71 layers add it "
    "up; but on average it must stay as near to float as onnxruntime's INT8, for it is the same "
    "graph. A single cell may stray further: 20 codes were seen on a trained detector, while an "
    "eighth of the range (32) is no rounding any more",
)
SAME_LIBRARY = Tolerance(
    max_codes=0.0,
    mean_codes=0.0,
    matched=1.0,
    reason="the same library computes the same graph for the same Hexagon version",
)
OTHER_VERSION = Tolerance(
    mean_noise=1.25,
    max_codes=32.0,
    matched=0.9,
    reason="Hexagon versions differ from each other in their last bits",
)
OTHER_TOOLS = Tolerance(
    mean_noise=1.25,
    max_codes=32.0,
    matched=0.9,
    reason="the same encodings through a converter of another SDK, which may fuse and order layers "
    "its own way, on the same emulator: no more than two ways of rounding one graph",
)
ONE_LAYER = Tolerance(
    max_codes=2.0,
    reason="on the same input codes the HTP and onnxruntime compute the same sum and round it "
    "once. Every layer of two trained detectors was within 1 code on v68, v73, v75 and v79; a "
    "second is left for additions, which rescale both sides first",
)
FOREIGN_OUTPUT = Tolerance(
    relative=1e-3,
    reason="softmax and the exponential of a decode magnify float32's rounding; a wrong "
    "activation, constant or order of channels is off by whole percents",
)
