"""Arrays become what the network reads, whatever their kind and layout, or are refused."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from hexdet.errors import DataError
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import normalise, prepare, three_channels, to_pixels
from hexdet.runtime.placement import place

Pixels = npt.NDArray[np.uint8]


def picture(height: int = 60, width: int = 80) -> Pixels:
    """Return noise over a ramp, BGR."""
    noise = np.random.default_rng(0).integers(0, 60, (height, width, 3))
    ramp = np.linspace(0, 190, width)[None, :, None]
    return (noise + ramp).astype(np.uint8)


REFUSED = {
    "floats": np.zeros((4, 6, 3), np.float32),
    "doubles": np.zeros((4, 6, 3)),
    "signed": np.zeros((4, 6, 3), np.int8),
    "32 bits": np.zeros((4, 6), np.uint32),
    "booleans": np.zeros((4, 6), np.bool_),
    "objects": np.zeros((4, 6), object),
    "no rows": np.zeros((0, 6, 3), np.uint8),
    "no columns": np.zeros((4, 0, 3), np.uint8),
    "no channels": np.zeros((4, 6, 0), np.uint8),
    "two channels": np.zeros((4, 6, 2), np.uint8),
    "five channels": np.zeros((4, 6, 5), np.uint8),
    "channels first": np.zeros((3, 40, 60), np.uint8),
    "a batch": np.zeros((1, 4, 6, 3), np.uint8),
    "a row": np.zeros(6, np.uint8),
    "a number": np.uint8(3),
    "a list": [[1, 2], [3, 4]],
    "None": None,
    "a path": "street.jpg",
}


@pytest.mark.parametrize("image", REFUSED.values(), ids=REFUSED.keys())
def test_an_array_that_is_no_image_is_refused_with_what_is_accepted(image: object) -> None:
    with pytest.raises(DataError, match="accepted are uint8 or uint16 arrays") as caught:
        three_channels(image)  # type: ignore[arg-type]
    if isinstance(image, np.ndarray):
        assert f"cannot be {image.dtype} {list(image.shape)}" in str(caught.value)
    with pytest.raises(DataError):
        prepare(image, InputSpec(width=8, height=8))  # type: ignore[arg-type]


def test_every_value_of_16_bits_is_scaled_and_rounded() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    expected = np.floor(values / 257 + 0.5).astype(np.uint8)
    for given in (values, values.astype(">u2"), values[..., None]):
        found = three_channels(given)
        np.testing.assert_array_equal(found, np.repeat(expected[..., None], 3, axis=2))


def test_an_image_of_three_channels_is_taken_as_it_is() -> None:
    image = picture()
    assert np.shares_memory(three_channels(image), image)


KINDS = {
    "BGR": lambda i: i,
    "grey": lambda i: np.ascontiguousarray(i[..., 0]),
    "grey, one channel": lambda i: np.ascontiguousarray(i[..., :1]),
    "alpha": lambda i: np.concatenate([i, 255 - i[..., :1]], axis=2),
    "16 bits": lambda i: i.astype(np.uint16) * 257 + 3,
    "16 bits, alpha": lambda i: np.concatenate([i, i[..., :1]], axis=2).astype(np.uint16) * 257,
}
LAYOUTS = {
    "as it is": lambda i: i,
    "Fortran": np.asfortranarray,
    "mirrored": lambda i: np.ascontiguousarray(i[:, ::-1])[:, ::-1],
    "upside down": lambda i: np.ascontiguousarray(i[::-1])[::-1],
    "a crop": lambda i: np.pad(i, [(3, 4), (5, 6), (0, 0)][: i.ndim])[3:-4, 5:-6],
    "every second": lambda i: np.repeat(np.repeat(i, 2, axis=0), 2, axis=1)[::2, ::2],
    "transposed": lambda i: np.ascontiguousarray(i.swapaxes(0, 1)).swapaxes(0, 1),
}


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize("colour", ["bgr", "rgb"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_kind_and_layout_of_an_image_do_not_matter(
    kind: str, layout: str, colour: str, fit: str
) -> None:
    spec = InputSpec(width=40, height=30, fit=fit)  # type: ignore[arg-type]
    plain = KINDS[kind](picture())
    expected = to_pixels(three_channels(plain), spec, colour=colour)  # type: ignore[arg-type]
    given = LAYOUTS[layout](plain)
    given.setflags(write=False)
    np.testing.assert_array_equal(given, plain)
    found = prepare(given, spec, colour=colour)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.pixels.flags.c_contiguous
    assert found.placement == place(80, 60, spec)


@pytest.mark.parametrize("network", ["rgb", "bgr"])
@pytest.mark.parametrize("size", [(1, 1), (80, 60), (300, 300), (1280, 720), (37, 1000)])
def test_a_stretched_image_is_what_it_always_was(size: tuple[int, int], network: str) -> None:
    """The figures of the shipped checkpoints hang on these bytes."""
    image = picture(size[1], size[0])
    expected = cv2.resize(image, (300, 300), interpolation=cv2.INTER_LINEAR)
    if network == "rgb":
        expected = cv2.cvtColor(expected, cv2.COLOR_BGR2RGB)
    spec = InputSpec(width=300, height=300, colour=network)  # type: ignore[arg-type]
    found = to_pixels(image, spec)
    assert found.shape == (1, 300, 300, 3)
    assert found.tobytes() == expected.tobytes()
    swapped = np.ascontiguousarray(image[..., ::-1])
    assert to_pixels(swapped, spec, colour="rgb").tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("size", "rectangle"), [((80, 60), (0, 5, 40, 30)), ((60, 80), (5, 0, 30, 40))]
)
def test_a_letterbox_is_the_resized_image_between_bars(
    size: tuple[int, int], rectangle: tuple[int, int, int, int]
) -> None:
    image = picture(size[1], size[0])
    spec = InputSpec(width=40, height=40, colour="bgr", fit="letterbox", pad=99)
    found = to_pixels(image, spec)[0]
    x, y, width, height = rectangle
    np.testing.assert_array_equal(
        found[y : y + height, x : x + width],
        cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR),
    )
    found[y : y + height, x : x + width] = 99
    assert (found == 99).all()


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
