"""Headers: an image's size is known, and a huge one refused, before a pixel is decoded."""

from __future__ import annotations

import re
import resource
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.errors import DataError
from hexdet.runtime import images
from hexdet.runtime.image_headers import image_size, is_truncated
from hexdet.runtime.images import MAX_PIXELS, read_image

SUFFIXES = [".bmp", ".gif", ".jpg", ".pgm", ".png", ".ppm", ".tiff", ".webp"]


def encoded(suffix: str, width: int, height: int, flags: tuple[int, ...] = ()) -> bytes:
    channels = () if suffix == ".pgm" else (3,)
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, *channels)).astype(np.uint8)
    done, data = cv2.imencode(suffix, pixels, flags)
    assert done
    return data.tobytes()


def chunk(kind: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum


def segment(kind: int, body: bytes) -> bytes:
    return bytes([0xFF, kind]) + struct.pack(">H", len(body) + 2) + body


def tiff(order: str, width: int, height: int, *, big: bool = False, shorts: bool = True) -> bytes:
    """Return a TIFF's header and first directory: width and height alone."""
    mark = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}H", 43 if big else 42)
    kind, form = (3, "HHxx") if shorts else (4, "I")
    values = [struct.pack(f"{order}{form.replace('HH', 'H')}", v) for v in (width, height)]
    if big:
        entries = [
            struct.pack(f"{order}HHQ", tag, kind, 1) + value + bytes(4)
            for tag, value in zip((256, 257), values, strict=True)
        ]
        head = mark + struct.pack(f"{order}HHQ", 8, 0, 16)
        return head + struct.pack(f"{order}Q", 2) + b"".join(entries) + bytes(8)
    entries = [
        struct.pack(f"{order}HHI", tag, kind, 1) + value
        for tag, value in zip((256, 257), values, strict=True)
    ]
    head = mark + struct.pack(f"{order}I", 8) + struct.pack(f"{order}H", 2)
    return head + b"".join(entries) + bytes(4)


def bomb(width: int, height: int) -> bytes:
    """Return a valid grey PNG of a few kilobytes that inflates to width x height zeros."""
    packer = zlib.compressobj(9)
    row = bytes(width + 1)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_nothing_has_no_size() -> None:
    assert image_size(b"") is None
    assert not is_truncated(b"")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 70), (640, 17), (301, 300)])
def test_the_header_tells_what_the_decoder_finds(suffix: str, width: int, height: int) -> None:
    data = encoded(suffix, width, height)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None and decoded.shape[:2] == (height, width)
    assert image_size(data) == (width, height)


HEADERS = {
    "lossless WebP": (encoded(".webp", 33, 20, (cv2.IMWRITE_WEBP_QUALITY, 101)), (33, 20)),
    "progressive JPEG": (encoded(".jpg", 33, 20, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)), (33, 20)),
    "JPEG with fill bytes": (
        b"\xff\xd8\xff\xff\xff" + encoded(".jpg", 33, 20)[3:],
        (33, 20),
    ),
    "JPEG with a decoy behind a marker without length": (
        b"\xff\xd8\xff\x01" + segment(0xC0, struct.pack(">BHH", 8, 9000, 9001) + bytes(10)),
        (9001, 9000),
    ),
    "JPEG with a thumbnail": (
        b"\xff\xd8" + segment(0xE1, b"Exif\0\0" + encoded(".jpg", 8, 8))
        + encoded(".jpg", 33, 20)[2:],
        (33, 20),
    ),
    "extended WebP": (
        b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (4999).to_bytes(3, "little")
        + (16_777_215).to_bytes(3, "little"),
        (5000, 16_777_216),
    ),
    "top-down BMP": (b"BM" + bytes(12) + struct.pack("<Iii", 40, 7, -5), (7, 5)),
    "OS/2 BMP": (b"BM" + bytes(12) + struct.pack("<IHH", 12, 7, 5), (7, 5)),
    "TIFF, little endian": (tiff("<", 700, 500), (700, 500)),
    "TIFF, big endian": (tiff(">", 700, 500), (700, 500)),
    "TIFF, longs": (tiff(">", 70_000, 50_000, shorts=False), (70_000, 50_000)),
    "BigTIFF": (tiff("<", 70_000, 500, big=True, shorts=False), (70_000, 500)),
    "BigTIFF, big endian": (tiff(">", 700, 500, big=True), (700, 500)),
    "PPM with comments": (b"P6\n# a 1 2\n#b\n 700 # c\n\t500\n255\n", (700, 500)),
    "bitmap": (b"P4 7 5\n", (7, 5)),
}  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), HEADERS.values(), ids=HEADERS.keys())
def test_headers_by_hand(data: bytes, expected: tuple[int, int]) -> None:
    assert image_size(data) == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(deadline=None, max_examples=60)
@given(share=st.floats(0, 1), position=st.integers(0, 60), value=st.integers(0, 255))
def test_no_damage_is_more_than_an_unknown_size(
    suffix: str, share: float, position: int, value: int
) -> None:
    data = bytearray(encoded(suffix, 12, 9))
    data[position % len(data)] = value
    found = image_size(bytes(data[: int(share * len(data))]))
    assert found is None or (found[0] >= 0 and found[1] >= 0)


@settings(deadline=None)
@given(st.binary(max_size=80), st.sampled_from([data[:12] for data, _ in HEADERS.values()]))
def test_random_headers_do_no_harm(tail: bytes, head: bytes) -> None:
    image_size(head + tail)
    is_truncated(head + tail)


SIDE = 20_000
LARGE = {
    ".png": bomb(SIDE, 8_000),
    ".jpg": b"\xff\xd8" + segment(0xC0, struct.pack(">BHH", 8, SIDE, SIDE) + bytes(10))
    + segment(0xDA, bytes(10)) + b"\xff\xd9",
    ".bmp": b"BM" + bytes(12) + struct.pack("<Iii", 40, SIDE, -SIDE) + bytes(50),
    ".gif": b"GIF89a" + struct.pack("<HH", SIDE, SIDE) + bytes(50),
    ".webp": b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (SIDE - 1).to_bytes(3, "little") * 2,
    ".tif": tiff("<", SIDE, SIDE),
    ".ppm": b"P6 20000 20000 255\n" + bytes(50),
}  # fmt: skip


@pytest.mark.parametrize("suffix", LARGE)
def test_an_image_over_the_limit_is_refused_before_it_is_decoded(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"large{suffix}"
    path.write_bytes(LARGE[suffix])
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(DataError, match=re.escape(str(path))) as caught:
        read_image(path)
    assert "more than 100 million are not decoded" in str(caught.value)
    assert "20000 x " in str(caught.value)


def test_a_decompression_bomb_does_not_get_its_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(LARGE[".png"])
    assert path.stat().st_size < 2**20  # for 160 MB of pixels, 480 MB as BGR
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="20000 x 8000 pixels"):
        read_image(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 50 * 1024


def test_the_limit_itself_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_PIXELS == 100_000_000
    path = tmp_path / "a.png"
    path.write_bytes(encoded(".png", 10, 8))
    monkeypatch.setattr(images, "MAX_PIXELS", 80)
    assert read_image(path).shape == (8, 10, 3)
    monkeypatch.setattr(images, "MAX_PIXELS", 79)
    with pytest.raises(DataError, match="10 x 8 pixels"):
        read_image(path)


def test_a_format_whose_size_is_not_known_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(".jp2", 100, 80))
    with pytest.raises(DataError, match="not a BMP, GIF, JPEG, PNG, PNM, TIFF or WebP file"):
        read_image(path)
