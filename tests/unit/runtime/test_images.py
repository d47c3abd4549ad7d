"""Image files that cannot be read are refused by name; the others reach the network unharmed."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.errors import DataError
from hexdet.runtime.images import (
    list_images,
    read_image,
    three_channels,
)

Pixels = npt.NDArray[np.uint8]


def picture(height: int = 60, width: int = 80, seed: int = 0) -> Pixels:
    """Return noise over a ramp, BGR: it compresses badly, so that every file has a body to cut."""
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3))
    ramp = np.linspace(0, 190, width)[None, :, None]
    return (noise + ramp).astype(np.uint8)


def encoded(suffix: str, image: Pixels | None = None, flags: tuple[int, ...] = ()) -> bytes:
    done, data = cv2.imencode(suffix, picture() if image is None else image, flags)
    assert done
    return data.tobytes()


def with_thumbnail(jpeg: bytes) -> bytes:
    """Put a whole small JPEG into an APP1 segment, as cameras do."""
    thumbnail = encoded(".jpg", picture(16, 16))
    segment = b"Exif\x00\x00" + thumbnail
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00" * 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def refused(path: Path) -> str:
    """Return the error's text; it names the file."""
    with pytest.raises(DataError, match=re.escape(str(path))) as caught:
        read_image(path)
    return str(caught.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.touch()
    assert "(0 bytes)" in refused(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "nowhere.png")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "folder.jpg"
    path.mkdir()
    refused(path)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", [".jpg", ".png", "progressive", "thumbnail", "restarts"])
def test_a_truncated_image_is_refused(kind: str, share: float, tmp_path: Path) -> None:
    data = {
        ".jpg": encoded(".jpg"),
        ".png": encoded(".png"),
        "progressive": encoded(".jpg", flags=(cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        "thumbnail": with_thumbnail(encoded(".jpg")),
        "restarts": encoded(".jpg", flags=(cv2.IMWRITE_JPEG_RST_INTERVAL, 2)),
    }[kind]
    path = tmp_path / "cut.jpg"
    path.write_bytes(data)
    read_image(path)  # whole, it is fine
    path.write_bytes(data[: int(len(data) * share)])
    assert "its end is missing" in refused(path)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@settings(deadline=None, max_examples=40, database=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_no_cut_of_an_image_passes_for_the_image(
    suffix: str, share: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = encoded(suffix)
    path = tmp_path_factory.mktemp("cut") / f"a{suffix}"
    # The last bytes of a PNG are a checksum of nothing: without them the picture is whole.
    whole = len(data) - (4 if suffix == ".png" else 0)
    path.write_bytes(data[: int(whole * share)])
    refused(path)


@pytest.mark.parametrize(
    "content",
    [
        b"this is no picture\n" * 30,
        b"\x00" * 500,
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0" + b"\x00" * 40 + b"\xff\xd9",
        b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x00IEND\xae\x42\x60\x82",
        png_that_claims(100_000, 100_000),
    ],
    ids=["text", "zeros", "bare JPEG", "hollow JPEG", "bare PNG", "a huge PNG"],
)
def test_what_is_no_image_is_refused_whatever_its_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("suffix", [".bmp", ".jpg", ".png", ".ppm", ".tif", ".webp"])
def test_an_image_is_read_whatever_its_name(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.dat"
    path.write_bytes(encoded(suffix))
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.shape == (60, 80, 3)
    if suffix not in (".jpg", ".webp"):
        np.testing.assert_array_equal(image, picture())


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_what_a_phone_appends_to_an_image_does_no_harm(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"motion{suffix}"
    path.write_bytes(encoded(suffix))
    plain = read_image(path)
    path.write_bytes(encoded(suffix) + b"\x00video" * 2000)
    np.testing.assert_array_equal(read_image(path), plain)


def test_a_camera_jpeg_with_a_thumbnail_is_read_at_full_size(tmp_path: Path) -> None:
    path = tmp_path / "camera.jpg"
    path.write_bytes(with_thumbnail(encoded(".jpg")))
    assert read_image(path).shape == (60, 80, 3)


SAVED = {
    "grey": (np.full((4, 6), 77, np.uint8), (77, 77, 77)),
    "BGR": (np.full((4, 6, 3), (10, 20, 30), np.uint8), (10, 20, 30)),
    "BGRA": (np.full((4, 6, 4), (10, 20, 30, 128), np.uint8), (10, 20, 30)),
    "grey, 16 bits": (np.full((4, 6), 77 * 257, np.uint16), (77, 77, 77)),
    "BGR, 16 bits, rounded": (
        np.full((4, 6, 3), (10 * 257 + 128, 10 * 257 + 129, 65535), np.uint16),
        (10, 11, 255),
    ),
    "BGRA, 16 bits": (np.full((4, 6, 4), (257, 514, 771, 9), np.uint16), (1, 2, 3)),
}


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize(("image", "expected"), SAVED.values(), ids=SAVED.keys())
def test_every_file_becomes_three_channels_of_8_bits(
    image: Pixels, expected: tuple[int, ...], suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(encoded(suffix, image))
    found = read_image(path)
    assert found.shape == (4, 6, 3)
    assert found.dtype == np.uint8
    assert (found == expected).all()
    np.testing.assert_array_equal(found, three_channels(image))  # as the array itself is taken


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("kind", [*SAVED, "8 bits"])
@pytest.mark.parametrize("suffix", [".png", ".tiff", ".webp", ".bmp", ".ppm", ".gif"])
def test_a_truncated_file_of_any_kind_is_refused(
    suffix: str, kind: str, share: float, tmp_path: Path
) -> None:
    image = picture()
    if kind != "8 bits":
        if suffix not in (".png", ".tiff"):
            return  # holds no other kind
        like = SAVED[kind][0]
        rng = np.random.default_rng(0)
        image = rng.integers(0, 255, (60, 80, *like.shape[2:])).astype(like.dtype)
    path = tmp_path / f"cut{suffix}"
    data = encoded(suffix, image)
    path.write_bytes(data)
    assert read_image(path).shape == (60, 80, 3)
    path.write_bytes(data[: int(len(data) * share)])
    refused(path)


@pytest.mark.parametrize("suffix", [".tiff", ".png", ".webp", ".gif"])
def test_of_several_pages_or_frames_the_first_is_read(suffix: str, tmp_path: Path) -> None:
    pages = [np.full((24, 32, 3), level, np.uint8) for level in (40, 120, 200)]
    path = tmp_path / f"pages{suffix}"
    if suffix == ".tiff":
        done, data = cv2.imencodemulti(suffix, pages)
    else:
        animation = cv2.Animation()
        animation.frames = pages
        animation.durations = np.full(3, 100)
        done, data = cv2.imencodeanimation(suffix, animation)
    assert done
    path.write_bytes(data.tobytes())
    found = read_image(path)
    assert found.shape == pages[0].shape
    assert abs(found.mean() - pages[0].mean()) < 20  # a GIF has few greys


def test_a_file_of_floats_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    path.write_bytes(encoded(".tiff", np.ones((4, 6, 3), np.float32)))  # type: ignore[arg-type]
    assert "holds float32 pixels" in refused(path)


@pytest.mark.parametrize("names", [(), ("notes.txt", "image.xml")], ids=["empty", "other files"])
def test_a_folder_without_images_is_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_text("x")
    with pytest.raises(DataError, match=re.escape(str(tmp_path))):
        list_images(tmp_path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "nowhere"))):
        list_images(tmp_path / "nowhere")


def test_images_of_a_folder_come_by_name(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "c.jpeg", "notes.txt", "d.webp"):
        (tmp_path / name).touch()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "e.jpg").touch()
    assert [p.name for p in list_images(tmp_path)] == ["a.png", "b.JPG", "c.jpeg", "d.webp"]


TURNED = {
    1: lambda i: i,
    2: lambda i: i[:, ::-1],
    3: lambda i: i[::-1, ::-1],
    4: lambda i: i[::-1],
    5: lambda i: i.transpose(1, 0, 2),
    6: lambda i: np.rot90(i, -1),
    7: lambda i: i[::-1, ::-1].transpose(1, 0, 2),
    8: lambda i: np.rot90(i, 1),
}
"""What an EXIF orientation asks for (CIPA DC-008, tag 0x0112)."""


def quarters() -> Pixels:
    """Return a picture whose four quarters are blue, green, red and white."""
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :24, 0] = image[:16, 24:, 1] = image[16:, :24, 2] = 255
    image[16:, 24:] = 255
    return image


def with_orientation(suffix: str, orientation: int) -> bytes:
    """Return `quarters` as a file whose EXIF data asks for a turn or mirror."""
    exif = b"II*\x00" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, orientation, 0, 0)
    lossless = (cv2.IMWRITE_WEBP_QUALITY, 101) if suffix == ".webp" else ()
    data = encoded(suffix, quarters(), lossless)
    if suffix == ".jpg":
        body = b"Exif\x00\x00" + exif
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]
    if suffix == ".png":  # behind the signature and IHDR
        crc = struct.pack(">I", zlib.crc32(b"eXIf" + exif))
        return data[:33] + struct.pack(">I", len(exif)) + b"eXIf" + exif + crc + data[33:]
    if suffix == ".webp":
        sides = (47).to_bytes(3, "little") + (31).to_bytes(3, "little")
        extended = b"VP8X" + struct.pack("<IB3x", 10, 0x08) + sides
        body = extended + data[12:] + b"EXIF" + struct.pack("<I", len(exif)) + exif
        return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body
    return _tiff_with_tag(data, struct.pack("<HHIHH", 0x112, 3, 1, orientation, 0))


def _tiff_with_tag(data: bytes, entry: bytes) -> bytes:
    """Append a copy of a TIFF's directory that has one more entry, and point at it."""
    start = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, start)[0]
    first = start + 2
    entries = [data[p : p + 12] for p in range(first, first + 12 * count, 12)]
    entries = sorted(
        [*(e for e in entries if e[:2] != entry[:2]), entry],
        key=lambda e: int.from_bytes(e[:2], "little"),
    )
    body = data + b"\x00" * (len(data) % 2)
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return body[:4] + struct.pack("<I", len(body)) + body[8:] + directory


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_an_exif_orientation_is_applied(suffix: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"phone{suffix}"
    path.write_bytes(with_orientation(suffix, orientation))
    expected = TURNED[orientation](quarters())
    found = read_image(path)
    assert found.shape == expected.shape
    height, width = expected.shape[:2]
    for y in (height // 4, height * 3 // 4):
        for x in (width // 4, width * 3 // 4):
            np.testing.assert_allclose(found[y, x], expected[y, x], atol=4)
