"""Reading image files and turning an image into what the network reads.

The images that every function and the detector accept, of any size from 1 x 1:

| array | meaning |
|---|---|
| uint8 [height, width, 3] | BGR, as OpenCV reads it; RGB where `colour="rgb"` is said |
| uint8 [height, width] or [height, width, 1] | grey: three equal channels |
| uint8 [height, width, 4] | BGRA (or RGBA): the alpha channel is dropped, not composited |
| uint16 of any of these shapes | scaled to 8 bits: value / 257, rounded |

Its memory may have any layout: a crop, a mirrored, transposed or read-only view. Anything else
(floats, empty arrays, other shapes) is a DataError. A file becomes an image of the first kind: an
orientation in its EXIF data is applied, of several pages or frames the first is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .contract import Colour, InputSpec
from .image_headers import FORMATS, image_size, is_truncated
from .placement import Placement, fitted, place

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
MAX_PIXELS = 100_000_000
"""Largest image file, in pixels: a few kilobytes can claim gigabytes, and get them."""

ACCEPTED = (
    "accepted are uint8 or uint16 arrays of shape [height, width], [height, width, 1], "
    "[height, width, 3] (BGR, or RGB with colour='rgb') or [height, width, 4]"
)

Image = npt.NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What the network reads, uint8 [1, height, width, 3], and where the image lies in it."""

    pixels: npt.NDArray[np.uint8]
    placement: Placement


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Read an image file as uint8 [height, width, 3], BGR.

    Raises DataError, naming the file, where it is missing, empty, truncated, no image, or larger
    than MAX_PIXELS; that is seen in the header, before anything is decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {error.strerror}") from error
    return decode_image(data, f"the image {path}")


def decode_image(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Return the image that a file's content holds, uint8 [height, width, 3], BGR.

    name: what errors call it. Raises DataError as `read_image` does.
    """
    if not data:
        raise DataError(f"{name} is empty (0 bytes)")
    if is_truncated(data):
        raise DataError(f"{name} is truncated: its end is missing")
    size = image_size(data)
    if size is None:
        raise DataError(f"{name} cannot be decoded: damaged, or not a {FORMATS} file")
    if size[0] * size[1] > MAX_PIXELS:
        raise DataError(
            f"{name} has {size[0]} x {size[1]} pixels: "
            f"more than {MAX_PIXELS / 1e6:g} million are not decoded"
        )
    try:
        # With its own depth: OpenCV would cut 16 bits to 8 where arrays of 16 bits are rounded.
        image = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_BGR | cv2.IMREAD_ANYDEPTH
        )
    except cv2.error as error:
        raise DataError(f"{name} cannot be decoded: {error.err}") from error
    if image is None:
        raise DataError(f"{name} cannot be decoded: damaged, or not an image")
    if image.dtype not in (np.uint8, np.uint16):
        raise DataError(f"{name} holds {image.dtype} pixels: save it with 8 or 16 bits a channel")
    return three_channels(cast(Image, image))


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


def three_channels(image: Image) -> npt.NDArray[np.uint8]:
    """Return an accepted image as uint8 [height, width, 3], its colours in the order they came in.

    The array itself where it is one already. Raises DataError for what is not accepted.
    """
    # Callers are not all type-checked, and cv2's own errors name neither cause nor cure.
    given: Any = image
    if not isinstance(given, np.ndarray):
        raise DataError(f"an image cannot be a {type(given).__name__}: {ACCEPTED}")
    shape = given.shape
    if len(shape) == 3 and shape[2] == 3 and given.size and given.dtype == np.uint8:
        return given
    known = given.ndim == 2 or (given.ndim == 3 and shape[2] in (1, 3, 4))
    if given.dtype.kind != "u" or given.dtype.itemsize > 2 or not known or 0 in shape:
        raise DataError(f"an image cannot be {given.dtype} {list(shape)}: {ACCEPTED}")
    if given.dtype.itemsize == 2:
        # v / 257 is never half-way between two codes, so that every rounding gives the same.
        given = cv2.convertScaleAbs(given.astype(np.uint16, copy=False), alpha=1 / 257)
        given = given.reshape(shape)  # OpenCV drops a third axis of length 1
    channels = 1 if given.ndim == 2 else shape[2]
    if channels == 1:
        given = cv2.cvtColor(given, cv2.COLOR_GRAY2BGR)
    elif channels == 4:
        given = cv2.cvtColor(given, cv2.COLOR_BGRA2BGR)
    return np.asarray(given, np.uint8)


def prepare(image: Image, spec: InputSpec, *, colour: Colour = "bgr") -> Prepared:
    """Return the network's input and the placement of an accepted image of any size."""
    plain = three_channels(image)
    height, width = plain.shape[:2]
    return Prepared(pixels=_fit(plain, spec, colour), placement=place(width, height, spec))


def to_pixels(image: Image, spec: InputSpec, *, colour: Colour = "bgr") -> npt.NDArray[np.uint8]:
    """Return the integer graph's input, uint8 [1, height, width, 3], from an accepted image.

    The image is stretched to the network's size (SSD's habit) or, with `letterbox`, brought into
    it with bars of the value `pad` beside it; bilinear.
    """
    return _fit(three_channels(image), spec, colour)


def _fit(image: npt.NDArray[np.uint8], spec: InputSpec, colour: Colour) -> npt.NDArray[np.uint8]:
    x, y, width, height = fitted(image.shape[1], image.shape[0], spec)
    pixels = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    if spec.colour != colour:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return with_bars(np.asarray(pixels, np.uint8), x, y, spec)[None]


def with_bars(
    picture: npt.NDArray[np.uint8], x: int, y: int, spec: InputSpec
) -> npt.NDArray[np.uint8]:
    """Return the network's whole input, uint8 [height, width, 3]: a picture at (x, y) and bars."""
    height, width = picture.shape[:2]
    if (width, height) == (spec.width, spec.height):
        return picture
    bars = (y, spec.height - height - y, x, spec.width - width - x)  # top, bottom, left, right
    value = [spec.pad] * 3
    return np.asarray(
        cv2.copyMakeBorder(picture, *bars, cv2.BORDER_CONSTANT, value=value), np.uint8
    )


def normalise(pixels: npt.NDArray[np.uint8], spec: InputSpec) -> npt.NDArray[np.float32]:
    """Return the float graph's input, float32 [n, 3, h, w], from `to_pixels` [n, h, w, 3]."""
    planes = pixels.transpose(0, 3, 1, 2)  # [n, h, w, 3] -> [n, 3, h, w]
    return np.ascontiguousarray((planes.astype(np.float32) - spec.mean) / spec.std)
