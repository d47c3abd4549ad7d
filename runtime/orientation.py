"""The size at which an image is shown: a camera may have noted that it was held upright."""

from __future__ import annotations

import struct
from pathlib import Path

from ..errors import DataError
from .image_headers import JPEG, image_size, jpeg_segments

APP1 = 0xE1
ORIENTATION_TAG = 0x0112
TURNED = {5, 6, 7, 8}
"""EXIF orientations in which rows and columns change places."""

HEAD = 1 << 12
WHOLE_HEAD = 1 << 20
"""Bytes of a file that are looked at, first and at most: thumbnails stand before a JPEG's size."""


def read_shown_size(path: Path) -> tuple[int, int]:
    """Return (width, height) in pixels of an image file as `read_image` would decode it.

    Reads the header alone. Raises DataError, naming the file, where it is missing, or where its
    header is damaged or of an unknown format.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(HEAD)
            size = shown_size(data)
            if size is None and len(data) == HEAD:
                data += stream.read(WHOLE_HEAD - HEAD)
                size = shown_size(data)
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {error.strerror}") from error
    if size is None:
        raise DataError(f"the image {path} cannot be decoded: its header tells no size")
    return size


def shown_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) as a header states it, with a JPEG's EXIF orientation applied.

    data: a file's beginning. None where the size is not in it.
    """
    size = image_size(data)
    if size is not None and data[:3] == JPEG and _orientation(data) in TURNED:
        return size[1], size[0]
    return size


def _orientation(data: bytes) -> int:
    """Return the orientation tag of a JPEG (Exif 2.32, 4.6.2 and 4.6.4), 1 where it has none."""
    for kind, at in jpeg_segments(data):
        if kind == APP1 and data[at + 4 : at + 10] == b"Exif\0\0":
            try:
                return _tag(data[at + 10 :])
            except struct.error:
                return 1
    return 1


def _tag(tiff: bytes) -> int:
    order = "<" if tiff[:2] == b"II" else ">"
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from(f"{order}H", tiff, entry)
        if tag == ORIENTATION_TAG:
            (value,) = struct.unpack_from(f"{order}H", tiff, entry + 8)
            return int(value)
    return 1
