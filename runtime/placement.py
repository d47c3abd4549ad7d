"""Where an image lies in the network's input: the one place that computes it, there and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from .contract import InputSpec

Row = npt.NDArray[np.float32]

KEPT = 64
"""Image sizes whose placement is remembered: a stream has one, and no time to spare."""


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where an image lies in the network's input: input = image * scale + offset, in pixels."""

    image_width: int
    image_height: int
    scale_x: float
    scale_y: float
    offset_x: float = 0.0
    offset_y: float = 0.0

    def to_image(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return boxes of the network's input in pixels of the image, cut to it.

        boxes: float32 [n, 4] corners; (box - offset) / scale of each, float32 [n, 4].
        """
        offset, inverse, limit = self._vectors
        moved = np.subtract(boxes, offset, dtype=np.float32)
        np.multiply(moved, inverse, out=moved)
        # np.clip does the same and takes three times as long on a handful of boxes.
        np.maximum(moved, np.float32(0), out=moved)
        return np.minimum(moved, limit, out=moved)

    def points_to_image(self, points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return points of the network's input in pixels of the image, outside of it too.

        points: float32 [..., 2], (x, y); (point - offset) / scale of each, float32 [..., 2].
        """
        offset, inverse, _ = self._vectors
        moved = np.subtract(points, offset[:2], dtype=np.float32)
        return np.multiply(moved, inverse[:2], out=moved)

    def to_input(self, boxes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return boxes of the image in pixels of the network's input: what `to_image` undoes.

        boxes: float32 [n, 4] corners; box * scale + offset of each, float32 [n, 4].
        """
        scale = np.asarray([self.scale_x, self.scale_y] * 2)
        offset = np.asarray([self.offset_x, self.offset_y] * 2)
        return np.asarray(boxes * scale + offset, np.float32)

    @cached_property
    def _vectors(self) -> tuple[Row, Row, Row]:
        """Return offset, 1 / scale and the image's far corner, float32 [4] each."""
        offset = np.asarray([self.offset_x, self.offset_y] * 2, np.float32)
        inverse = np.asarray([1 / self.scale_x, 1 / self.scale_y] * 2, np.float32)
        limit = np.asarray([self.image_width, self.image_height] * 2, np.float32)
        return offset, inverse, limit


def fitted(width: float, height: float, spec: InputSpec) -> tuple[int, int, int, int]:
    """Return the rectangle of the network's input that a picture fills: x, y, width, height.

    width, height: of the picture, in its own pixels; training cuts windows between two pixels.
    `stretch` fills the whole input; `letterbox` keeps the proportions, to the nearest whole pixel,
    and lies in the middle.
    """
    if spec.fit == "stretch":
        return 0, 0, spec.width, spec.height
    scale = min(spec.width / width, spec.height / height)
    inner_width = min(max(round(width * scale), 1), spec.width)
    inner_height = min(max(round(height * scale), 1), spec.height)
    x, y = (spec.width - inner_width) // 2, (spec.height - inner_height) // 2
    return x, y, inner_width, inner_height


@lru_cache(maxsize=KEPT)
def place(width: int, height: int, spec: InputSpec) -> Placement:
    """Return the placement of an image of width x height pixels."""
    x, y, inner_width, inner_height = fitted(width, height, spec)
    return Placement(
        image_width=width,
        image_height=height,
        # Of the whole pixels that were filled, so that boxes come back exactly.
        scale_x=inner_width / width,
        scale_y=inner_height / height,
        offset_x=float(x),
        offset_y=float(y),
    )
