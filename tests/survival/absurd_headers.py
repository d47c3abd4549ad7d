"""Pictures of a few bytes whose headers promise more than any memory holds."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np


def png(width: int, height: int, rows: bytes = b"", more: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = rows or bytes((1 + 3 * width) * height)
    end = chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + more + end


def png_text_bomb() -> bytes:
    data = b"Comment\0\0" + zlib.compress(bytes(2**30), 9)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + data))
    return png(65535, 65535, rows=b"\0", more=chunk)


def jpeg(width: int, height: int, twice: bool = False) -> bytes:
    _, data = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))
    found = bytearray(data.tobytes())
    at = found.index(b"\xff\xc0")
    length = int.from_bytes(found[at + 2 : at + 4], "big")
    header = bytes(found[at : at + 2 + length])
    bomb = header[:5] + struct.pack(">HH", height, width) + header[9:]
    found[at : at + 2 + length] = header + bomb if twice else bomb
    return bytes(found)


def tiff(*sides: tuple[int, int]) -> bytes:
    """Return a TIFF whose only directory states its size, more than once where asked."""
    entries = b""
    for width, height in sides:
        entries += struct.pack("<HHII", 256, 4, 1, width) + struct.pack("<HHII", 257, 4, 1, height)
    for tag, value in ((258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 65535), (279, 4)):
        entries += struct.pack("<HHIHH", tag, 3, 1, value, 0)
    count = len(entries) // 12
    return b"II*\0" + struct.pack("<IH", 8, count) + entries + struct.pack("<I", 0) + bytes(64)


def gif(width: int, height: int, frame: tuple[int, int]) -> bytes:
    screen = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    image = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0)
    return screen + image + b"\x02\x02\x4c\x01\x00;"


def bmp(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info + bytes(64)


def webp() -> bytes:
    body = b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff\xff\x00" * 2
    return b"RIFF" + struct.pack("<I", len(body)) + body
