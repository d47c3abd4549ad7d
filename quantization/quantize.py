"""From the float graph to the integer one: methods, ranges, codes, corrections, in this order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx

from ..recipe import QuantizationSection
from ..runtime.backend import graph_path
from ..runtime.contract import InputSpec
from .graph_edits import (
    IMAGE,
    absorb_clips,
    cut_output_transposes,
    drop_unused,
    make_integer_ends,
    transpose_codes,
)
from .qdq import to_qdq
from .ranges.calibration import find_ranges
from .ranges.estimators import Range
from .ranges.measuring import Images
from .weight_grid import pinned_weights
from .widths import ALWAYS_8, Overrides, choose_widths

EQUALISED = "equalised.onnx"
"""The float graph that was quantized, beside float.onnx, where it is another one."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Quantized:
    """model: the integer graph. base: the float graph whose layers its layers stand for."""

    model: onnx.ModelProto
    base: onnx.ModelProto


def base_path(folder: Path) -> Path:
    """Return the float graph of a bundle whose layers are those of its integer graph.

    Raises ArtifactError where the bundle has no float graph.
    """
    equalised = folder / EQUALISED
    return equalised if equalised.is_file() else graph_path(folder, "float")


def quantize_graph(
    float_model: onnx.ModelProto,
    images: Images,
    spec: InputSpec,
    section: QuantizationSection,
    progress: Progress = lambda done, total: None,
) -> Quantized:
    """Return the QDQ graph with uint8 NHWC input and outputs, and the float graph behind it.

    images: the calibration images, uint8 [1, h, w, 3] each; they are read several times. `progress`
    is told after every image of every pass. Activations become uint8 or uint16, asymmetric, per
    tensor; weights int8, symmetric, per output channel, or uint8 per tensor; biases int32. Raises
    ArtifactError for a graph that does not end in raw convolutions, RecipeError for a name in
    `wide` that has no codes, DataError where the images cannot give the ranges.
    """
    base = onnx.ModelProto()
    base.CopyFrom(float_model)
    for node in base.graph.node:  # conversions and corrections find nodes by their names
        node.name = node.name or node.output[0]
    if section.equalise:
        from .methods.equalisation import equalise

        base = equalise(base)
    rounded, overrides = base, Overrides()
    if section.rounding == "adaround":
        from .methods.adaround import round_weights

        learnt = round_weights(base, images, spec, section, progress)
        rounded, overrides = learnt.model, pinned_weights(learnt.scales)
    model = _quantized(rounded, images, spec, section, overrides, progress)
    if section.correct_bias:
        from .methods.bias_correction import correct_biases

        model = correct_biases(base, model, images, spec, progress)
    onnx.checker.check_model(model, full_check=True)
    return Quantized(model=model, base=base)


def _quantized(
    rounded: onnx.ModelProto,
    images: Images,
    spec: InputSpec,
    section: QuantizationSection,
    overrides: Overrides,
    progress: Progress,
) -> onnx.ModelProto:
    """Return the integer graph of a float one whose weights are as they shall be."""
    model = onnx.ModelProto()
    model.CopyFrom(rounded)
    renamed = cut_output_transposes(model)
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    absorbed = absorb_clips(plain)
    not_codes = {
        **{before: f"ends in a clip: name {after!r}" for before, after in absorbed.items()},
        **dict.fromkeys(renamed.values(), ALWAYS_8),
    }
    widths = choose_widths(plain, spec, section, not_codes)
    ranges = find_ranges(model, widths.bits, images, spec, section, progress)
    # The image needs none, its encoding is among the overrides; onnxruntime wants one all the same.
    ranges[IMAGE] = Range(low=-spec.mean / spec.std, high=(255 - spec.mean) / spec.std)
    quantized = to_qdq(
        plain,
        ranges,
        {**overrides, **widths.overrides},
        per_channel=section.weights == "per_channel",
        wide=widths.any_wide,
    )
    make_integer_ends(quantized, renamed)
    transpose_codes(quantized)
    drop_unused(quantized)
    return quantized
