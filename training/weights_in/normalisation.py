"""The pixel normalisation that weights were trained with, carried over to a recipe's."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...runtime.contract import Colour, InputSpec


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """(p - mean) / std of each channel, in the order of `colour`."""

    mean: tuple[float, float, float] = (127.0, 127.0, 127.0)
    std: float = 128.0
    colour: Colour = "rgb"


PLAIN = Normalisation()
"""That of pytorch-ssd's networks, and the recipes' own."""


def for_input(
    weight: Tensor, bias: Tensor, given: Normalisation, spec: InputSpec
) -> tuple[Tensor, Tensor]:
    """Return a first convolution's weight and bias for pixels normalised as `spec` says.

    What was (p - mean') / std' is now std / std' * x + (mean - mean') / std'. Exact but at the
    border, where the zeros of the padding mean the pixel `mean` and no longer `mean'`.
    """
    mean = torch.tensor(given.mean)
    if spec.colour != given.colour:
        weight, mean = weight.flip(1), mean.flip(0)
    shift = (weight.sum(dim=(2, 3)) * ((spec.mean - mean) / given.std)).sum(dim=1)
    return weight * (spec.std / given.std), bias + shift
