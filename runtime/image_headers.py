"""What an image file says about itself before a pixel is decoded: its size, and whether it ends."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

FORMATS = "BMP, GIF, JPEG, PNG, PNM, TIFF or WebP"
"""Whose headers are known; what else OpenCV might decode is refused, its size being unknown."""

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8\xff"
START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
START_OF_SCAN = 0xDA
WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}
PNM_HEADER = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")
SHORT = 3
WIDTH_TAG, HEIGHT_TAG = 256, 257


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return (width, height) in pixels as an image file's header states it, the first page's.

    None where the header is damaged or of no format in FORMATS.
    """
    try:
        if data[:8] == PNG:
            return struct.unpack_from(">II", data, 16)
        if data[:3] == JPEG:
            return _jpeg_size(data)
        if data[:2] == b"BM":
            return _bmp_size(data)
        if data[:6] in (b"GIF87a", b"GIF89a"):
            return struct.unpack_from("<HH", data, 6)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp_size(data)
        if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return _tiff_size(data)
    except (struct.error, OverflowError):  # the header itself is cut off, or points anywhere
        return None
    found = PNM_HEADER.match(data[:4096])
    return (int(found[1]), int(found[2])) if found else None


def is_truncated(data: bytes) -> bool:
    """Tell whether a JPEG or PNG lacks its end: a decoder may fill the rest with grey, silently."""
    if data[:3] == JPEG:
        # Before the first scan a thumbnail has an end of its own; after the true end phones append
        # what they like.
        start = next((at for kind, at in jpeg_segments(data) if kind == START_OF_SCAN), len(data))
        return data.find(b"\xff\xd9", start) < 0
    if data[:8] == PNG:
        return struct.pack(">I4s", 0, b"IEND") not in data
    return False


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield kind and position of each marker up to the first scan (ITU-T T.81, B.1.1)."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        kind = data[position + 1]
        if kind == 0xFF:  # a fill byte
            position += 1
            continue
        yield kind, position
        if kind == START_OF_SCAN:
            return
        position += 2
        if kind not in WITHOUT_LENGTH:
            position += int.from_bytes(data[position : position + 2], "big")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    for kind, at in jpeg_segments(data):
        if kind in START_OF_FRAME:  # marker, length, precision, height, width
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
    return None


def _bmp_size(data: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # OS/2's header
        return struct.unpack_from("<HH", data, 18)
    width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height)  # a negative height: the rows come top down


def _webp_size(data: bytes) -> tuple[int, int] | None:
    """Read the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    kind = data[12:16]
    if kind == b"VP8X":
        low, high = data[24:27], data[27:30]
        if len(high) < 3:
            return None
        return int.from_bytes(low, "little") + 1, int.from_bytes(high, "little") + 1
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff_size(data: bytes) -> tuple[int, int] | None:
    """Read the first directory (TIFF 6.0, section 2), in 32 bits or BigTIFF's 64."""
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in (data[2], data[3])
    start = struct.unpack_from(f"{order}{'Q' if big else 'I'}", data, 8 if big else 4)[0]
    count = struct.unpack_from(f"{order}{'Q' if big else 'H'}", data, start)[0]
    first, step, value_at = start + (8 if big else 2), 20 if big else 12, 12 if big else 8
    sides: dict[int, int] = {}
    for entry in range(first, first + step * min(count, 4096), step):
        tag, kind = struct.unpack_from(f"{order}HH", data, entry)
        if tag in (WIDTH_TAG, HEIGHT_TAG):
            form = "H" if kind == SHORT else "I"
            sides[tag] = struct.unpack_from(f"{order}{form}", data, entry + value_at)[0]
    if len(sides) < 2:
        return None
    return sides[WIDTH_TAG], sides[HEIGHT_TAG]
