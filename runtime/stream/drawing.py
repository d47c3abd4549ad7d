"""The picture that viewers and videos show: the frame, its boxes and, where tracked, identities."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ..drawing import draw_boxes, draw_landmarks
from .frames import FrameResult

GOLDEN_ANGLE_DEG = 137.508
"""Turn from one hue to the next that keeps neighbours apart however many there are."""


def draw_result(result: FrameResult) -> npt.NDArray[np.uint8]:
    """Return the frame with boxes and scores; identity 7 is "#7", its box in a colour of its own.

    A new BGR image, uint8 [height, width, 3]; the frame's own stays as it is.
    """
    found = result.detections
    if result.identities is None:
        return found.draw(result.frame.image)
    canvas = np.array(result.frame.image, order="C")
    # One class needs no name on every box: the picture stays readable in a crowd.
    names = ("",) if len(found.classes) == 1 else tuple(f"{name} " for name in found.classes)
    rows = list(zip(result.identities, found.labels, found.scores, strict=True))
    draw_boxes(
        canvas,
        found.boxes,
        [f"#{identity} {names[label - 1]}{score:.2f}" for identity, label, score in rows],
        [identity_colour(int(identity)) for identity, _, _ in rows],
    )
    if found.landmarks is not None:
        draw_landmarks(canvas, found.boxes, found.landmarks)
    return canvas


def identity_colour(identity: int) -> tuple[int, int, int]:
    """Return the BGR colour of an identity, always the same, dark enough for white letters."""
    hue = int(identity * GOLDEN_ANGLE_DEG % 360 / 2)  # OpenCV counts 180 hues in 8 bits
    pixel = np.array([[[hue, 200, 190]]], np.uint8)
    blue, green, red = cv2.cvtColor(pixel, cv2.COLOR_HSV2BGR)[0, 0]
    return int(blue), int(green), int(red)
