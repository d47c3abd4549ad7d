"""The recipe's section on the deliverables, with what Qualcomm's own tools are told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .section import Section

Calibration = Literal["min-max", "enhanced", "sqnr", "entropy", "mse", "percentile"]
Schema = Literal["asymmetric", "symmetric", "unsignedsymmetric"]

_THEIRS_ALONE = (
    "weights",
    "activation_bits",
    "activation_calibration",
    "weight_calibration",
    "percentile",
    "activation_schema",
    "weight_schema",
    "cle",
)
"""What only a quantizer that calibrates by itself can heed."""


class SdkSection(Section):
    """The way through an installed SNPE or QAIRT SDK: `hexdet dlc --toolchain sdk`.

    What the tools of an SDK have no flag for is refused by its key when they are asked.
    """

    chips: tuple[str, ...] = ()
    """Targets where no --target is given; the one that stands for `export.target_arch` if none."""
    flow: Literal["auto", "snpe", "qairt"] = "auto"
    """auto: qairt-converter and qairt-quantizer where the SDK has them and the chip has an HTP,
    else snpe-onnx-to-dlc and its quantizer."""
    encodings: Literal["ours", "theirs"] = "ours"
    """ours: those of encodings.json are imposed; theirs: the SDK calibrates by itself."""
    bias_bits: Literal[8, 32] = 32
    prepare: Literal["auto", "cache", "context", "none"] = "auto"
    """For a chip with an HTP: a cache within the DLC, a context binary beside it, or neither.
    auto: a cache where the SDK can make one."""
    weights: Literal["auto", "per_channel", "per_tensor"] = "auto"
    """auto: per channel where the SDK can."""
    activation_bits: Literal[8, 16] = 8
    activation_calibration: Calibration = "min-max"
    weight_calibration: Calibration = "min-max"
    percentile: float = Field(99.99, ge=90, le=100)
    """In percent, for a calibration: percentile."""
    activation_schema: Schema = "asymmetric"
    weight_schema: Schema = "asymmetric"
    cle: bool = False
    """The SDK's cross-layer equalisation."""
    time_limit_s: float = Field(900.0, gt=0)
    """For each call of a tool."""

    @model_validator(mode="after")
    def _nothing_in_vain(self) -> SdkSection:
        if self.encodings == "theirs":
            return self
        for key in _THEIRS_ALONE:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(
                    f"{key} is for encodings: theirs; with ours nothing is left to the SDK's "
                    f"quantizer, and the recipe's section quantization decides"
                )
        return self


class ExportSection(Section):
    """The graph's form and the time limits of Qualcomm's libraries."""

    opset: int = Field(17, ge=13, le=21)
    target_arch: Literal[68, 69, 73, 75, 79] = 73
    """Hexagon version that is emulated."""
    check_images: int = Field(24, ge=0)
    """Images of the accuracy check that closes an export."""
    time_limit_s: float = Field(180.0, gt=0)
    """For each run of Qualcomm's libraries, and for each image on the emulator."""
    sdk: SdkSection = SdkSection()
