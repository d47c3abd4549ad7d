"""What an image looks like in a few numbers, cheap enough for hundreds of images."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

SIDE = 8
"""The image is seen as so many by so many fields."""


def features_of(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return 4 * SIDE * SIDE numbers: of each field its mean colour and its roughness, 0 to 1.

    image: uint8 [h, w, 3]. The roughness of a field is its mean gradient: it tells a wall from a
    crowd of the same colour.
    """
    small = cv2.resize(image, (8 * SIDE, 8 * SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    rough = cv2.magnitude(across, down) / 4  # Sobel's weights add up to 4 on either side
    planes = np.dstack([small.astype(np.float32), np.minimum(rough, 255)])
    fields = cv2.resize(planes, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(fields / 255, np.float32).ravel()
