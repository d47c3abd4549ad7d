"""The size at which an image is shown is that of the array that reading it gives."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from hexdet.errors import DataError
from hexdet.runtime.images import read_image
from hexdet.runtime.orientation import read_shown_size, shown_size


def segment(kind: int, body: bytes) -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body


def exif(orientation: int, order: str = "<") -> bytes:
    """Return an APP1 segment whose first directory holds a width, then the orientation."""
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(f"{order}HHIHxx", 256, 3, 1, 7)
    entries += struct.pack(f"{order}HHIHxx", 0x0112, 3, 1, orientation)
    body = mark + struct.pack(f"{order}I", 8) + struct.pack(f"{order}H", 2) + entries + bytes(4)
    return segment(0xE1, b"Exif\0\0" + body)


@pytest.fixture
def jpeg() -> bytes:
    """A JPEG of 30 x 20 pixels."""
    _, data = cv2.imencode(".jpg", np.zeros((20, 30, 3), np.uint8))
    return data.tobytes()


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(10))
def test_it_is_the_size_of_the_array_that_is_read(
    orientation: int, order: str, jpeg: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(with_segments(jpeg, exif(orientation, order)))
    height, width = read_image(path).shape[:2]
    assert read_shown_size(path) == (width, height)
    assert ((width, height) == (20, 30)) == (orientation in (5, 6, 7, 8))


@pytest.mark.parametrize("suffix", [".bmp", ".png", ".webp", ".jpg", ".tiff"])
def test_formats_without_exif_data(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.zeros((20, 30, 3), np.uint8))
    assert read_shown_size(path) == (30, 20)


def test_a_size_behind_a_large_segment_is_found(jpeg: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(with_segments(jpeg, exif(6), segment(0xE2, bytes(60_000)), segment(0xFE, b"")))
    assert read_shown_size(path) == (20, 30)


@pytest.mark.parametrize(
    "broken",
    [
        segment(0xE1, b"Exif\0\0"),
        segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<I", 1 << 30)),
        segment(0xE1, b"Exif\0\0II*\0" + struct.pack("<IH", 8, 60_000)),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
    ],
    ids=["empty", "far away", "endless", "another kind"],
)
def test_broken_exif_data_turn_nothing(broken: bytes, jpeg: bytes) -> None:
    assert shown_size(with_segments(jpeg, broken)) == (30, 20)


@pytest.mark.parametrize("content", [b"", b"text", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
def test_a_damaged_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.jpg cannot be decoded"):
        read_shown_size(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read the image .*gone\.jpg"):
        read_shown_size(tmp_path / "gone.jpg")
