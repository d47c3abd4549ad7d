"""Small pictures of the detections that flipped, for the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from ...datasets.record import Dataset
from ...evaluation.flips import Flip

SIDE_PX = 176
"""Of the picture on the page; it is square."""
MARGIN = 1.1
"""Shown around the box on each side, in lengths of its longer side."""
LEAST_PX = 48.0
"""Side of the smallest part of an image that is shown."""
QUALITY = 80
TRUTH_BGR, DETECTION_BGR = (80, 200, 60), (30, 100, 240)

Picture = npt.NDArray[np.uint8]


def draw_thumbnails(dataset: Dataset, flips: Sequence[Flip]) -> list[str]:
    """Return one JPEG a flip as a `data:` address: the detection's box, and the object's.

    Images are read again, one at a time, each once.
    """
    addresses = [""] * len(flips)
    for image in sorted({flip.image for flip in flips}):
        picture = dataset[image].image
        for index, flip in enumerate(flips):
            if flip.image == image:
                addresses[index] = _address(crop(picture, flip))
    return addresses


def crop(picture: Picture, flip: Flip) -> Picture:
    """Return the part of an image around a flip, uint8 [SIDE_PX, SIDE_PX, 3] BGR, boxes drawn.

    A box at the image's border is not in the middle; what lies beyond a small image is grey.
    """
    x1, y1, x2, y2 = flip.box
    half = max(max(x2 - x1, y2 - y1) * (0.5 + MARGIN), LEAST_PX / 2)
    scale = SIDE_PX / (2 * half)
    height, width = picture.shape[:2]
    left = _start((x1 + x2) / 2 - half, 2 * half, width)
    top = _start((y1 + y2) / 2 - half, 2 * half, height)
    matrix = np.asarray([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float64)
    shown = cv2.warpAffine(
        np.ascontiguousarray(picture),
        matrix,
        (SIDE_PX, SIDE_PX),
        flags=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        borderValue=(128, 128, 128),
    )
    for box, colour in ((flip.truth, TRUTH_BGR), (flip.box, DETECTION_BGR)):
        if box is not None:
            first, last = (
                (round((x - left) * scale), round((y - top) * scale))
                for x, y in (box[0:2], box[2:4])
            )
            cv2.rectangle(shown, first, last, colour, 2, cv2.LINE_AA)
    return np.asarray(shown, np.uint8)


def _start(wanted: float, length: float, whole: float) -> float:
    """Return where a window begins so that it lies in the image, or in its middle if it cannot."""
    if length >= whole:
        return (whole - length) / 2
    return min(max(wanted, 0.0), whole - length)


def _address(picture: Picture) -> str:
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
