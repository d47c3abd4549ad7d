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
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import list_images, normalise, read_image, to_pixels

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


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.full((4, 6), 77, np.uint8), (77, 77, 77)),
        (np.full((4, 6, 3), (10, 20, 30), np.uint8), (10, 20, 30)),
        (np.full((4, 6, 4), (10, 20, 30, 128), np.uint8), (10, 20, 30)),
        (np.full((4, 6), 77 * 257, np.uint16), (77, 77, 77)),
    ],
    ids=["grey", "BGR", "BGRA", "16 bits"],
)
def test_every_png_becomes_three_channels_of_8_bits(
    image: Pixels, expected: tuple[int, ...], tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(".png", image))
    found = read_image(path)
    assert found.shape == (4, 6, 3)
    assert found.dtype == np.uint8
    assert (found == expected).all()


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


@pytest.mark.parametrize(("colour", "expected"), [("rgb", [30, 20, 10]), ("bgr", [10, 20, 30])])
def test_pixels_are_in_the_colour_order_of_the_contract(colour: str, expected: list[int]) -> None:
    image = np.full((7, 9, 3), (10, 20, 30), np.uint8)  # blue, green, red
    spec = InputSpec(width=5, height=4, colour=colour)  # type: ignore[arg-type]
    found = to_pixels(image, spec)
    assert found.shape == (1, 4, 5, 3)
    assert found.dtype == np.uint8
    assert (found == expected).all()


def test_pixels_keep_their_place() -> None:
    image = np.zeros((40, 80, 3), np.uint8)
    image[:20, 40:] = 200  # upper right
    found = to_pixels(image, InputSpec(width=8, height=8))[0]
    assert (found[:4, 4:] == 200).all()
    assert (found[4:] == 0).all()
    assert (found[:, :4] == 0).all()


def test_pixels_of_an_image_of_the_networks_size_are_its_own() -> None:
    image = picture(32, 48)
    before = image.copy()
    found = to_pixels(image, InputSpec(width=48, height=32, colour="bgr"))
    np.testing.assert_array_equal(found[0], before)
    np.testing.assert_array_equal(image, before)


def test_normalise_of_no_image_is_no_image() -> None:
    found = normalise(np.zeros((0, 4, 5, 3), np.uint8), InputSpec(width=5, height=4))
    assert found.shape == (0, 3, 4, 5)


def test_normalise_subtracts_the_mean_divides_by_std_and_puts_channels_first() -> None:
    pixels = np.zeros((2, 2, 3, 3), np.uint8)
    pixels[1, 0, 2] = (0, 127, 255)
    found = normalise(pixels, InputSpec(width=3, height=2, mean=127.0, std=128.0))
    assert found.shape == (2, 3, 2, 3)
    assert found.dtype == np.float32
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found[1, :, 0, 2], [-127 / 128, 0, 1])
    np.testing.assert_array_equal(found[0], np.full((3, 2, 3), np.float32(-127 / 128)))
