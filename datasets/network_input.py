"""What the network of a recipe reads: the scale at which its images and objects are seen."""

from __future__ import annotations

from ..recipe import NetworkSection
from ..runtime.contract import InputSpec


def input_of(section: NetworkSection) -> InputSpec:
    """Return the input that a recipe describes."""
    return InputSpec(
        width=section.width,
        height=section.height,
        colour=section.colour,
        mean=section.mean,
        std=section.std,
        fit=section.fit,
        pad=section.pad,
    )
