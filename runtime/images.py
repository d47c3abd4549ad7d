"""Reading image files and turning an image into what the network reads."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .contract import InputSpec

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image file as uint8 [height, width, 3], BGR.

    Raises DataError, naming the file, where it is missing, empty, truncated or no image.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {error.strerror}") from error
    if not data:
        raise DataError(f"the image {path} is empty (0 bytes)")
    if _is_truncated(data):
        raise DataError(f"the image {path} is truncated: its end is missing")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DataError(f"the image {path} cannot be decoded: {error.err}") from error
    if image is None:
        raise DataError(f"the image {path} cannot be decoded: damaged, or not an image")
    return np.asarray(image, np.uint8)


def _is_truncated(data: bytes) -> bool:
    """Tell whether a JPEG or PNG lacks its end: OpenCV would fill the rest with grey, silently."""
    if data[:3] == b"\xff\xd8\xff":
        return data.find(b"\xff\xd9", _first_scan(data)) < 0
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return struct.pack(">I4s", 0, b"IEND") not in data
    return False


def _first_scan(data: bytes) -> int:
    """Return where a JPEG's segments end (ITU-T T.81, B.1.1.4).

    Before that a thumbnail has an end of its own; after the true end phones append what they like.
    """
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0xDA:
        is_fill = data[position + 1] == 0xFF
        position += 1 if is_fill else 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position


def list_images(folder: Path) -> list[Path]:
    """Return the image files directly in a folder, by name.

    Raises DataError where the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise DataError(f"no such image or folder: {folder}")
    found = sorted(p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise DataError(f"the folder {folder} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))})")
    return found


def to_pixels(image: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[np.uint8]:
    """Return the integer graph's input, uint8 [1, height, width, 3], from a BGR image of any size.

    The image is stretched to the network's size (SSD's habit), bilinear.
    """
    resized = cv2.resize(image, (spec.width, spec.height), interpolation=cv2.INTER_LINEAR)
    if spec.colour == "rgb":
        resized = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)
    return np.asarray(resized, np.uint8)[None]


def normalise(pixels: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[np.float32]:
    """Return the float graph's input, float32 [n, 3, h, w], from `to_pixels` [n, h, w, 3]."""
    planes = pixels.transpose(0, 3, 1, 2)  # [n, h, w, 3] -> [n, 3, h, w]
    return np.ascontiguousarray((planes.astype(np.float32) - spec.mean) / spec.std)
