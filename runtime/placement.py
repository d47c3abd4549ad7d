"""Bringing an image to the network's size, and boxes back into the image's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .contract import InputSpec
from .images import to_pixels


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where an image lies in the network's input: input = image * scale + offset, in pixels."""

    image_width: int
    image_height: int
    scale_x: float
    scale_y: float
    offset_x: float = 0.0
    offset_y: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What the network reads, uint8 [1, height, width, 3], and where the image lies in it."""

    pixels: npt.NDArray[np.uint8]
    placement: Placement


def prepare(image: npt.NDArray[np.uint8], spec: InputSpec) -> Prepared:
    """Return the network's input and the placement of a BGR image of any size."""
    height, width = image.shape[:2]
    return Prepared(
        pixels=to_pixels(image, spec),
        placement=Placement(
            image_width=width,
            image_height=height,
            scale_x=spec.width / width,
            scale_y=spec.height / height,
        ),
    )
