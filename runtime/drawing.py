"""Boxes and their labels on a picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

Canvas = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]

PALETTE: tuple[Colour, ...] = (
    (66, 133, 244),
    (52, 168, 83),
    (251, 140, 0),
    (171, 71, 188),
    (0, 172, 193),
    (234, 67, 53),
)
"""Box colours by class as RGB, readable on light and dark pictures."""

POINTS: tuple[Colour, ...] = (
    (255, 214, 0),
    (0, 229, 255),
    (255, 255, 255),
    (255, 214, 0),
    (0, 229, 255),
)
"""Colours of the five landmarks as RGB: left yellow, right cyan, the nose white."""
RIM: Colour = (20, 20, 20)

FONT = cv2.FONT_HERSHEY_SIMPLEX
WHITE = (255, 255, 255)


def draw_boxes(
    canvas: Canvas,
    boxes: npt.NDArray[np.float32],
    texts: Sequence[str],
    colours: Sequence[Colour],
) -> None:
    """Draw boxes, [n, 4] corners in pixels, best first, with their texts onto a picture.

    Lines and letters grow with the picture. The better box lies over the worse, labels over all
    lines, and a label goes where it hides no better one, if there is such a place at its box.
    """
    side = max(canvas.shape[:2])
    thickness, scale = max(1, round(side / 400)), max(0.32, side / 1400)
    corners = [tuple(round(float(v)) for v in box) for box in boxes]
    for (x1, y1, x2, y2), colour in reversed(list(zip(corners, colours, strict=True))):
        cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, thickness, cv2.LINE_AA)
    taken: list[Rectangle] = []
    for (x1, y1, x2, y2), text in zip(corners, texts, strict=True):
        width, height, _ = _text_size(text, scale)
        taken.append(_free_place((x1, y1, x2, y2), (width, height), canvas, taken))
    for place, text, colour in reversed(list(zip(taken, texts, colours, strict=True))):
        _draw_label(canvas, text, place, scale, colour)


def draw_landmarks(
    canvas: Canvas,
    boxes: npt.NDArray[np.float32],
    landmarks: npt.NDArray[np.float32],
    *,
    rgb: bool = False,
) -> None:
    """Draw the five points, [n, 5, 2] in pixels, of boxes [n, 4], best first, onto a picture.

    A point grows with its box, and has a dark rim: it is seen on a light face and on a dark one.
    """
    colours = POINTS if rgb else tuple(c[::-1] for c in POINTS)
    for box, points in reversed(list(zip(boxes, landmarks, strict=True))):
        radius = max(1.2, float(np.sqrt(np.prod(np.maximum(box[2:4] - box[0:2], 0)))) / 32)
        for point, colour in zip(points, colours, strict=True):
            _draw_point(canvas, point, radius + max(0.6, radius / 3), RIM)
            _draw_point(canvas, point, radius, colour)


def _draw_point(
    canvas: Canvas, point: npt.NDArray[np.float32], radius: float, colour: Colour
) -> None:
    """Fill a circle to a sixteenth of a pixel; what lies outside the picture is left out."""
    if np.isfinite(point).all() and (np.abs(point) < 1 << 24).all():
        x, y, r = (round(float(v) * 16) for v in (*(point - 0.5), radius))
        cv2.circle(canvas, (x, y), r, colour, cv2.FILLED, cv2.LINE_AA, 4)


def _text_size(text: str, scale: float) -> tuple[int, int, int]:
    """Return width and height of a label in pixels, and how far its letters' feet are above it."""
    (width, height), base = cv2.getTextSize(text, FONT, scale, _stroke(scale))
    return width + 2, height + base, base // 2 + 1


def _stroke(scale: float) -> int:
    return max(1, round(1.5 * scale))


def _free_place(
    box: Rectangle, size: tuple[int, int], canvas: Canvas, taken: Sequence[Rectangle]
) -> Rectangle:
    """Return where a label of a size (width, height) goes: over its box, else in it or under it."""
    width, height = size
    x = min(max(box[0], 0), max(canvas.shape[1] - width, 0))
    inside = max(box[1], 0)
    tops = (box[1] - height, inside, box[3], box[3] - height)
    places = [
        (x, y, x + width, y + height) for y in tops if y >= 0 and y + height <= canvas.shape[0]
    ]
    free = (p for p in places if not any(_overlap(p, other) for other in taken))
    return next(free, places[0] if places else (x, inside, x + width, inside + height))


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _draw_label(canvas: Canvas, text: str, place: Rectangle, scale: float, colour: Colour) -> None:
    x1, y1, x2, y2 = place
    cv2.rectangle(canvas, (x1, y1), (x2, y2), colour, cv2.FILLED)
    feet = y2 - _text_size(text, scale)[2]
    cv2.putText(canvas, text, (x1 + 1, feet), FONT, scale, WHITE, _stroke(scale), cv2.LINE_AA)
