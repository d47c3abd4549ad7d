"""From calibration images to the range of every activation, as the recipe wants it."""

from __future__ import annotations

from collections.abc import Mapping

import onnx

from ...recipe import QuantizationSection
from ...runtime.contract import InputSpec
from .entropy import entropy_range
from .estimators import Range, mse_range, percentile_range
from .histogram import Histogram
from .measuring import Images, Progress, measure_extremes, measure_histograms
from .trained import trained_ranges


def find_ranges(
    model: onnx.ModelProto,
    bits: Mapping[str, int],
    images: Images,
    spec: InputSpec,
    section: QuantizationSection,
    progress: Progress = lambda done, total: None,
) -> dict[str, Range]:
    """Return the range of every tensor of a float graph that `bits` names with its width.

    `trained` takes what the graph brings, and the extremes for a tensor that it says nothing of.
    Raises DataError as `measure_extremes` does, RecipeError where it brings nothing at all.
    """
    if section.ranges in ("minmax", "trained"):
        trained = trained_ranges(model) if section.ranges == "trained" else {}
        extremes = measure_extremes(model, list(bits), images, spec, progress)
        seen = {n: Range(low=min(e.low, 0.0), high=max(e.high, 0.0)) for n, e in extremes.items()}
        return {name: trained.get(name, found) for name, found in seen.items()}
    histograms = measure_histograms(model, list(bits), images, spec, progress)
    return {name: estimate(h, bits[name], section) for name, h in histograms.items()}


def estimate(histogram: Histogram, bits: int, section: QuantizationSection) -> Range:
    """Return the range of a tensor as codes of so many bits, by the recipe's estimator."""
    if section.ranges == "percentile":
        return percentile_range(histogram, section.percentile)
    if section.ranges == "entropy":
        return entropy_range(histogram, bits)
    return mse_range(histogram, bits)
