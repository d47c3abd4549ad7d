"""Ranges that a network was trained with: they travel in its float graph, as metadata.

Quantization-aware training learns the range of every activation together with the weights. A
network that brings its own needs no calibration images to find them, and a few images find worse
ones: what they do not show is cut off.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import onnx

from ...errors import RecipeError
from .estimators import Range

KEY = "hexdet.trained_ranges"


def write_trained_ranges(model: onnx.ModelProto, ranges: Mapping[str, Range]) -> None:
    """Put ranges into a float graph, by tensor name; those of tensors it lacks are left out."""
    known = {name for node in model.graph.node for name in node.output}
    content = {n: [r.low, r.high] for n, r in ranges.items() if n in known}
    if content:
        model.metadata_props.add(key=KEY, value=json.dumps(content))


def read_trained_ranges(model: onnx.ModelProto) -> dict[str, Range]:
    """Return the ranges that a float graph brings, empty for one that was trained without."""
    text = next((entry.value for entry in model.metadata_props if entry.key == KEY), "{}")
    return {name: Range(low=low, high=high) for name, (low, high) in json.loads(text).items()}


def trained_ranges(model: onnx.ModelProto) -> dict[str, Range]:
    """Return the ranges that a float graph brings; RecipeError where it brings none."""
    ranges = read_trained_ranges(model)
    if not ranges:
        raise RecipeError(
            "quantization.ranges: the network brings no trained ranges, for it does not come from "
            "a quantized file: choose another way, for instance minmax"
        )
    return ranges
