"""The patch in which one figure of a `Scenes` picture is drawn, limb by limb."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from .camera import Bgr, Canvas, Floats, Pixels

_TURNS = np.concatenate(
    [np.linspace(-np.pi / 2, np.pi / 2, 7), np.linspace(np.pi / 2, 1.5 * np.pi, 7)]
)
_ROUND = np.stack([np.cos(_TURNS), np.sin(_TURNS)], axis=1)
"""A limb's outline: the first seven points go round its end, the others round its start."""
_LIT = np.array([0.44, 0.24])
_FLANKS = (
    ((1.0, 0.84), (0.62, 1.0)),
    ((1.0, 0.78), (0.8, 0.89), (0.5, 1.0)),
    ((1.0, 0.78), (0.9, 0.84), (0.8, 0.89), (0.62, 0.95), (0.5, 1.0), (0.26, 1.05)),
)
"""Nested (width, brightness) layers of a limb: thin, middling and thick ones."""


@dataclass(kw_only=True)
class Patch:
    """A supersampled BGRA patch of the picture in which one person is drawn."""

    pixels: Pixels
    left_px: int
    top_px: int
    zoom: int
    _limbs: list[tuple[float, ...]] = field(default_factory=list)
    _shapes: list[tuple[Bgr, list[Floats] | None]] = field(default_factory=list)
    """What is to be drawn, in order: a colour and a polygon, or None for the next limb."""

    def limb(self, a: Floats, b: Floats, ra_px: float, rb_px: float, colour: Bgr) -> None:
        """Add a tapered limb with round ends and a lit flank from pixel a to pixel b."""
        self._limbs.append((a[0], a[1], b[0], b[1], ra_px, rb_px))
        self._shapes.append((colour, None))

    def fill(self, points_px: list[Floats], colour: Bgr) -> None:
        """Add a polygon given in picture pixels."""
        self._shapes.append((colour, points_px))

    def draw(self) -> None:
        """Draw what was added; all limbs are computed at once, which is what makes it fast."""
        unit = self.zoom * 16
        limbs = np.array(self._limbs)
        a = (limbs[:, None, 0:2] - (self.left_px, self.top_px)) * unit
        b = (limbs[:, None, 2:4] - (self.left_px, self.top_px)) * unit
        along = (b - a)[:, 0]
        along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
        turn = np.stack([along, along[:, ::-1] * (-1, 1)], axis=1)  # [n, 2, 2]
        spread = (_ROUND @ turn) * unit  # [n, 14, 2]
        spread[:, :7] *= limbs[:, 5, None, None]
        spread[:, 7:] *= limbs[:, 4, None, None]
        centres = np.concatenate([b.repeat(7, axis=1), a.repeat(7, axis=1)], axis=1)
        layers = {
            grow: (centres + spread * grow - limbs[:, 4, None, None] * unit * (1 - grow) * _LIT)
            .astype(np.int32)
            for grow in {grow for flank in _FLANKS for grow, _ in flank}
        }  # fmt: skip
        radii_px = limbs[:, 4] * self.zoom
        number = 0
        for colour, points_px in self._shapes:
            if points_px is not None:
                corners = (np.array(points_px) - (self.left_px, self.top_px)) * unit
                paint = (*colour, 255.0)
                cv2.fillPoly(self.pixels, [corners.astype(np.int32)], paint, cv2.LINE_8, 4)
                continue
            for grow, tone in _FLANKS[int(radii_px[number] > 6) + int(radii_px[number] > 18)]:
                shade = (colour[0] * tone, colour[1] * tone, colour[2] * tone, 255.0)
                cv2.fillConvexPoly(self.pixels, layers[grow][number], shade, cv2.LINE_8, 4)
            number += 1


def open_patch(canvas: Canvas, points_px: Floats, metre_px: float) -> Patch | None:
    """Return a patch round the joints [n, 2] of a figure, or None outside the picture."""
    height, width = canvas.heads.shape
    room = 0.22 * metre_px
    left, top = np.floor(np.maximum(points_px.min(axis=0) - room, 0)).astype(int)
    right, bottom = np.ceil(np.minimum(points_px.max(axis=0) + room, (width, height))).astype(int)
    if right - left < 2 or bottom - top < 2:
        return None
    zoom = 2 if (right - left) * (bottom - top) < 40_000 else 1
    shape = ((bottom - top) * zoom, (right - left) * zoom, 4)
    pixels = np.zeros(shape, np.uint8)
    return Patch(pixels=pixels, left_px=int(left), top_px=int(top), zoom=zoom)
