"""From the recipe's section export.sdk to a tool's flags, chosen by what its --help names."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import RecipeError
from ...recipe import Recipe
from .calls import Toolbox

Spelled = tuple[str, ...]
"""A flag and its values."""


@dataclass(frozen=True, kw_only=True)
class Chooser:
    """A tool whose flags are looked for."""

    box: Toolbox
    tool: str

    def need(self, key: str, *alternatives: Spelled) -> list[str]:
        """Return the first alternative that the tool knows; RecipeError, by key, for none."""
        found = self.may(*alternatives)
        if found:
            return found
        flags = ", ".join(dict.fromkeys(spelled[0] for spelled in alternatives))
        raise RecipeError(
            f"export.sdk.{key}: {self.tool} of {self.box.sdk.title} cannot do it: it has no "
            f"{flags or 'flag for it'}; leave the key out or take another flow or SDK"
        )

    def may(self, *alternatives: Spelled) -> list[str]:
        """Return the first alternative that the tool knows; nothing where it knows none."""
        known = self.box.flags(self.tool)
        for flag, *values in alternatives:
            if flag in known:
                return self.box.write(self.tool, flag, *values)
        return []


def quantizer_options(recipe: Recipe, choose: Chooser) -> list[str]:
    """Return the flags of snpe-dlc-quantize, snpe-dlc-quant or qairt-quantizer for a recipe.

    Raises RecipeError for a key that the tool has no flag for.
    """
    section = recipe.export.sdk
    options = choose.need("bias_bits", ("--bias_bitwidth", str(section.bias_bits)))
    if section.encodings == "ours":
        options += _ours(recipe, choose)
    else:
        options += _theirs(recipe, choose)
    return options


def _ours(recipe: Recipe, choose: Chooser) -> list[str]:
    options = []
    if choose.tool != "qairt-quantizer":  # which applies what the converter recorded unasked
        options += choose.need("encodings", ("--override_params",))
    if recipe.quantization.weights == "per_channel":
        options += choose.may(("--use_per_channel_quantization",))
    if recipe.quantization.activation_bits != 8:
        options += choose.need("activation_bits", ("--act_bitwidth", "16"))
    return options


def _theirs(recipe: Recipe, choose: Chooser) -> list[str]:
    section = recipe.export.sdk
    options = []
    per_channel = (("--use_per_channel_quantization",), ("--axis_quant",))
    if section.weights == "per_channel":
        options += choose.need("weights", *per_channel)
    elif section.weights == "auto":
        options += choose.may(*per_channel)
    if section.activation_bits != 8:
        options += choose.need("activation_bits", ("--act_bitwidth", "16"))
    if section.cle:
        options += choose.need(
            "cle",
            ("--apply_algorithms", "cle"),
            ("--algorithms", "cle"),
            ("--optimizations", "cle"),
        )
    legacy = _legacy_quantizers if choose.tool != "qairt-quantizer" else _qairt_quantizers
    return options + legacy(recipe, choose)


def _legacy_quantizers(recipe: Recipe, choose: Chooser) -> list[str]:
    """Return the flags of the SNPE quantizers, which know tf (min-max), enhanced and symmetric."""
    section, options = recipe.export.sdk, []
    for part, short in (("activation", "act"), ("weight", "param")):
        calibration = getattr(section, f"{part}_calibration")
        schema = getattr(section, f"{part}_schema")
        if calibration not in ("min-max", "enhanced"):
            choose.need(f"{part}_calibration", (f"--{short}_quantizer_calibration", calibration))
        if schema == "unsignedsymmetric":
            choose.need(f"{part}_schema", (f"--{short}_quantizer_schema", schema))
        if calibration == "enhanced" and schema == "symmetric":
            raise RecipeError(
                f"export.sdk.{part}_calibration: {choose.tool} has enhanced or symmetric, not both"
            )
        if calibration == "enhanced":
            # The old flag sets both parts; it is taken where both are wanted.
            both = section.activation_calibration == section.weight_calibration
            old: list[Spelled] = [("--use_enhanced_quantizer",)] if both else []
            new = (f"--{short}_quantizer", "enhanced")
            options += choose.need(f"{part}_calibration", new, *old)
        elif schema == "symmetric":
            old = [("--use_symmetric_quantize_weights",)] if part == "weight" else []
            options += choose.need(f"{part}_schema", (f"--{short}_quantizer", "symmetric"), *old)
    return list(dict.fromkeys(options))


def _qairt_quantizers(recipe: Recipe, choose: Chooser) -> list[str]:
    section, options = recipe.export.sdk, []
    for part, short in (("activation", "act"), ("weight", "param")):
        calibration = getattr(section, f"{part}_calibration")
        schema = getattr(section, f"{part}_schema")
        if calibration == "enhanced":
            choose.need(f"{part}_calibration", (f"--{short}_quantizer", "enhanced"))
        if calibration != "min-max":
            flag = (f"--{short}_quantizer_calibration", calibration)
            options += choose.need(f"{part}_calibration", flag)
        if schema != "asymmetric":
            options += choose.need(f"{part}_schema", (f"--{short}_quantizer_schema", schema))
    if "percentile" in (section.activation_calibration, section.weight_calibration):
        value = f"{section.percentile:g}"
        options += choose.need("percentile", ("--percentile_calibration_value", value))
    return options
