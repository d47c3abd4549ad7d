"""The sections `calibration` and `quantization`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .section import Section


class CalibrationSection(Section):
    """Which images, of the training split unless said, set the ranges of the activations."""

    images: int = Field(64, ge=1)
    seed: int = 0
    selection: Literal["random", "stratified", "farthest"] = "random"
    """stratified: by size and number of objects; farthest: as unlike each other as can be."""
    folder: str = ""
    """A folder of images to take instead of the training split, relative to HEXDET_DATA."""


class QuantizationSection(Section):
    """How the float graph becomes an 8-bit one."""

    weights: Literal["per_channel", "per_tensor"] = "per_channel"
    ranges: Literal["minmax", "percentile", "entropy", "mse", "trained"] = "minmax"
    """Of the activations: from calibration images, or those that a quantized network brings."""
    percentile: float = Field(99.99, gt=50, lt=100)
    """Share of the values, in percent, that the range must hold; for ranges: percentile."""
    activation_bits: Literal[8, 16] = 8
    """Of what lies between: the image and the outputs always have 8 bits, for the runtime reads
    and gives uint8, and so have the weights."""
    wide: tuple[str, ...] = ()
    """Tensors of the float graph whose activations have 16 bits where the others have 8: neither
    the image nor an output, and of a convolution with a ReLU behind it the ReLU's."""
    equalise: bool = False
    """Cross-layer equalisation before anything else."""
    correct_bias: bool = False
    """Shift each bias by the mean error that quantization causes in its channel."""
    rounding: Literal["nearest", "adaround"] = "nearest"
    """How weights become codes: adaround chooses up or down by the layer's output."""
    adaround_iterations: int = Field(500, ge=1)
    """For each layer; of the f38 network 500 on 64 images take eight minutes of one core."""

    @model_validator(mode="after")
    def _own_ranges(self) -> QuantizationSection:
        if self.ranges == "trained" and self.equalise:
            raise ValueError("equalise changes what trained ranges were learnt for: choose one")
        return self
