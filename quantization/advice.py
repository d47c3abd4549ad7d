"""What to do about a layer that loses too much, in words and in the recipe's own keys."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..recipe import QuantizationSection
from .diagnosis import LayerError

GOOD_ALONE_DB = 35.0
"""About six bits well used: a layer above it is not where the accuracy goes."""
MUCH_SATURATED = 1e-3
MOSTLY = 0.6


Layer = TypeVar("Layer", bound=LayerError)


@dataclass(frozen=True, kw_only=True)
class AdvisedLayerError(LayerError):
    """One layer's error, and in words what to do about it."""

    advice: str


def with_advice(
    layers: Sequence[LayerError], section: QuantizationSection
) -> list[AdvisedLayerError]:
    """Return the layers, in their order, each with its advice."""
    return [
        AdvisedLayerError(**dataclasses.asdict(layer), advice=advise(layer, section))
        for layer in layers
    ]


def worst_layers(layers: Sequence[Layer], count: int) -> list[Layer]:
    """Return the layers that lose most by themselves, the worst first."""
    return sorted(layers, key=lambda layer: layer.sqnr_alone_db)[:count]


def advise(layer: LayerError, section: QuantizationSection) -> str:
    """Return what is wrong with a layer and which key of the recipe may help."""
    if layer.sqnr_alone_db >= GOOD_ALONE_DB:
        if layer.sqnr_db < layer.sqnr_alone_db - 6:
            return "good by itself: its error comes from the layers before it"
        return "good"
    if layer.saturated > MUCH_SATURATED:
        cause = f"{layer.saturated:.1%} of its values lie beyond its range"
        if section.ranges != "minmax":
            return f"{cause}: quantization.ranges=minmax, or more calibration.images"
        return f"{cause}: more calibration.images, or calibration.selection=farthest"
    if layer.weight_share > MOSTLY:
        return f"its weights lose most: {_for_weights(section)}"
    if layer.operator == "Add":
        return f"two ranges in one sum: {_for_activation(layer, section)}"
    return f"its output's range is far wider than most values: {_for_activation(layer, section)}"


def _for_weights(section: QuantizationSection) -> str:
    if section.weights == "per_tensor":
        equalise = "" if section.equalise else ", or quantization.equalise=true"
        return f"quantization.weights=per_channel{equalise}"
    if section.rounding == "nearest":
        return "quantization.rounding=adaround"
    return "nothing dearer is left for 8-bit weights; train it with weight decay"


def _for_activation(layer: LayerError, section: QuantizationSection) -> str:
    if layer.bits > 8:
        return "it has 16 bits already: look at the layers before it"
    narrower = "quantization.ranges=mse" if section.ranges == "minmax" else ""
    wider = "" if layer.is_output else "16 bits for it (quantization.wide)"
    return ", then ".join(filter(None, (narrower, wider))) or "outputs always have 8 bits"
