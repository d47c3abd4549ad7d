"""Augmentation: whatever happens to the picture happens to its boxes."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.datasets.record import Annotation
from hexdet.recipe import AugmentSection
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import to_pixels
from hexdet.runtime.placement import fitted, place
from hexdet.training.augmentation import augment, flip

Image = npt.NDArray[np.uint8]

NOTHING = {
    "photometric": 0.0, "grey": 0.0, "expand": 0.0, "crop": 0.0, "flip": 0.0, "vertical_flip": 0.0,
}  # fmt: skip
WIDTH, HEIGHT = 240, 180
DARK, BRIGHT = 20, 250
GEOMETRY = {
    "nothing": {},
    "crop": {"crop": 1.0},
    "expand": {"expand": 1.0, "expand_ratio": 3.0},
    "flip": {"flip": 1.0},
    "vertical flip": {"vertical_flip": 1.0},
    "all": {"crop": 0.5, "expand": 1.0, "flip": 0.5, "vertical_flip": 0.5},
}
SIZES = {"smaller": (100, 90), "much smaller": (64, 64), "larger": (300, 260)}


def stretched(width: int, height: int) -> InputSpec:
    return InputSpec(width=width, height=height)


def only(**chances: float) -> AugmentSection:
    return AugmentSection(**{**NOTHING, **chances})


def one_square(seed: int) -> tuple[Image, Annotation]:
    """Draw a bright rectangle, at whole pixels, somewhere on a dark picture."""
    rng = np.random.default_rng((99, seed))
    width, height = rng.integers(24, 70, 2)
    x, y = rng.integers(0, WIDTH - width), rng.integers(0, HEIGHT - height)
    image = np.full((HEIGHT, WIDTH, 3), DARK, np.uint8)
    image[y : y + height, x : x + width] = BRIGHT
    return image, annotation([[x, y, x + width, y + height]])


def annotation(boxes: list[list[float]]) -> Annotation:
    return Annotation(
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        labels=np.arange(1, len(boxes) + 1),
        ignore=np.zeros(len(boxes), np.bool_),
    )


def bright_box(image: Image) -> list[float]:
    """Return the corners of what is bright, to half a pixel of the edge's blur."""
    rows, columns = np.nonzero(image[..., 0] > (DARK + BRIGHT) / 2)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.parametrize("chances", GEOMETRY.values(), ids=GEOMETRY.keys())
def test_an_image_without_truth_stays_without(chances: dict[str, float]) -> None:
    image, _ = one_square(0)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        changed, truth = augment(image, Annotation.empty(), stretched(64, 48), only(**chances), rng)
        assert changed.shape == (48, 64, 3) and changed.dtype == np.uint8
        assert truth.boxes.shape == (0, 4)
        assert len(truth) == len(truth.labels) == len(truth.ignore) == 0


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("seed", range(20))
def test_the_result_is_an_image_of_the_size_with_boxes_inside(
    size: tuple[int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    corners = rng.integers(0, (WIDTH - 20, HEIGHT - 20), (12, 2))
    sides = rng.integers(2, 20, (12, 2))
    before = annotation(np.concatenate([corners, corners + sides], axis=1).tolist())
    changed, truth = augment(
        image, before, stretched(*size), AugmentSection(vertical_flip=0.3), rng
    )
    assert changed.shape == (size[1], size[0], 3) and changed.dtype == np.uint8
    assert changed.flags["C_CONTIGUOUS"]
    assert truth.boxes.dtype == np.float32
    assert (truth.boxes >= 0).all() and (truth.boxes <= [*size, *size]).all()
    sides = truth.boxes[:, 2:4] - truth.boxes[:, 0:2]
    assert (sides > 0).all()
    assert truth.ignore[sides.min(axis=1) < AugmentSection().smallest_px].all()
    assert len(truth.labels) == len(truth.ignore) == len(truth)
    assert len(set(truth.labels.tolist())) == len(truth)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("kind", GEOMETRY)
def test_the_box_lies_where_its_object_went(kind: str, size: tuple[int, int]) -> None:
    """The edges agree to 1 px: half for finding them in whole pixels, half for the blur."""
    moved = 0
    for seed in range(60):
        image, before = one_square(seed)
        plain = before.boxes[0] * np.tile(np.divide(size, (WIDTH, HEIGHT)), 2)
        rng = np.random.default_rng(seed)
        changed, truth = augment(image, before, stretched(*size), only(**GEOMETRY[kind]), rng)
        if not len(truth):
            assert "crop" in GEOMETRY[kind]
            continue
        moved += not np.allclose(truth.boxes[0], plain, atol=2)
        np.testing.assert_allclose(bright_box(changed), truth.boxes[0], atol=1.0)
        x1, y1, x2, y2 = np.round(truth.boxes[0]).astype(int)
        assert truth.ignore[0] or changed[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].mean() > BRIGHT - 25
    assert (moved == 0) == (kind == "nothing")


@pytest.mark.parametrize("size", [(100, 60), (60, 100), (120, 90)], ids=str)
@pytest.mark.parametrize("kind", GEOMETRY)
def test_in_a_letterbox_the_box_lies_where_its_object_went(
    kind: str, size: tuple[int, int]
) -> None:
    spec = InputSpec(width=size[0], height=size[1], fit="letterbox", pad=9)
    plain = place(WIDTH, HEIGHT, spec)
    for seed in range(30):
        image, before = one_square(seed)
        rng = np.random.default_rng(seed)
        changed, truth = augment(image, before, spec, only(**GEOMETRY[kind]), rng)
        assert changed.shape == (size[1], size[0], 3)
        if kind == "nothing":  # what the runtime makes of it, but for the edges' interpolation
            np.testing.assert_allclose(truth.boxes, plain.to_input(before.boxes), rtol=1e-6)
            runtime = to_pixels(image, spec, colour="rgb")[0]
            assert np.abs(changed.astype(int) - runtime).mean() < 2
            np.testing.assert_array_equal(changed == spec.pad, runtime == spec.pad)
        if len(truth):
            np.testing.assert_allclose(bright_box(changed), truth.boxes[0], atol=1.0)


@pytest.mark.parametrize("kind", ["photometric", "flip", "vertical_flip"])
def test_bars_stay_as_the_network_will_meet_them(kind: str) -> None:
    image, before = one_square(0)
    spec = InputSpec(width=101, height=40, fit="letterbox", pad=200)
    x, y, width, height = fitted(WIDTH, HEIGHT, spec)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        changed, _ = augment(image, before, spec, only(**{kind: 1.0}), rng)
        bars = np.ones(changed.shape[:2], np.bool_)
        bars[y : y + height, x : x + width] = False
        assert bars.any() and (changed[bars] == 200).all()


def test_a_crop_keeps_some_object_whose_centre_it_holds() -> None:
    for seed in range(60):
        image, before = one_square(seed)
        rng = np.random.default_rng(seed)
        _, truth = augment(image, before, stretched(100, 90), only(crop=1.0), rng)
        assert len(truth) == 1 and not truth.ignore[0]


def test_an_object_cut_off_is_ignored_or_dropped_with_its_label() -> None:
    """Two far apart: a crop around one leaves the other whole, cut (ignored), or out."""
    image = np.full((HEIGHT, WIDTH, 3), DARK, np.uint8)
    before = annotation([[10, 10, 60, 60], [180, 110, 230, 160]])
    seen = set()
    for seed in range(150):
        rng = np.random.default_rng(seed)
        _, truth = augment(image, before, stretched(WIDTH, HEIGHT), only(crop=1.0), rng)
        assert np.isin(truth.labels, before.labels).all()
        assert not truth.ignore.all()
        seen.add((len(truth), bool(truth.ignore.any())))
    assert seen == {(1, False), (2, False), (2, True)}


@pytest.mark.parametrize("kind", ["crop", "expand", "flip", "all"])
def test_what_was_ignored_stays_ignored(kind: str) -> None:
    image, _ = one_square(0)
    before = annotation([[20, 20, 120, 120], [60, 60, 160, 160]])
    before.ignore[0] = True
    for seed in range(30):
        rng = np.random.default_rng(seed)
        _, truth = augment(image, before, stretched(100, 90), only(**GEOMETRY[kind]), rng)
        assert truth.ignore[truth.labels == 1].all()


def test_expanding_makes_objects_smaller_and_fills_with_the_mean_colour() -> None:
    image = np.full((HEIGHT, WIDTH, 3), (30, 90, 150), np.uint8)
    before = annotation([[100, 60, 140, 120]])
    section = only(expand=1.0, expand_ratio=3.0)
    sides = []
    for seed in range(20):
        changed, truth = augment(
            image, before, stretched(WIDTH, HEIGHT), section, np.random.default_rng(seed)
        )
        sides.append(float(truth.boxes[0, 2] - truth.boxes[0, 0]))
        np.testing.assert_array_equal(changed, image)  # a plain picture expands to itself
    assert max(sides) <= 40 and 40 / 3 <= min(sides) < 20


@settings(deadline=None)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    horizontal=st.booleans(),
    corners=st.lists(st.tuples(*[st.integers(0, 160)] * 4), max_size=5),
)
def test_flipping_twice_is_the_identity(
    width: int, height: int, horizontal: bool, corners: list[tuple[int, int, int, int]]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    # Quarters of a pixel inside the image: exact in float32.
    before = annotation(
        [[min(x / 4, width), min(y / 4, height), width, height] for x, y, *_ in corners]
    )
    once = flip(image, before, horizontal=horizontal)
    twice = flip(*once, horizontal=horizontal)
    np.testing.assert_array_equal(twice[0], image)
    np.testing.assert_array_equal(twice[1].boxes, before.boxes)
    np.testing.assert_array_equal(twice[1].labels, before.labels)
    assert (once[1].boxes[:, 0:2] <= once[1].boxes[:, 2:4]).all()


@pytest.mark.parametrize(
    ("horizontal", "expected"), [(True, [30, 2, 37, 8]), (False, [3, 22, 10, 28])]
)
def test_a_flip_by_hand(horizontal: bool, expected: list[float]) -> None:
    image = np.full((30, 40, 3), DARK, np.uint8)
    image[2:8, 3:10] = BRIGHT
    mirrored, truth = flip(image, annotation([[3, 2, 10, 8]]), horizontal=horizontal)
    assert truth.boxes.tolist() == [expected]
    assert bright_box(mirrored) == expected


@pytest.mark.parametrize("chances", [{"photometric": 1.0}, {"grey": 1.0}], ids=["colour", "grey"])
def test_colours_change_and_boxes_do_not(chances: dict[str, float]) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    _, before = one_square(0)
    changed = 0
    for seed in range(20):
        found, truth = augment(
            image, before, stretched(WIDTH, HEIGHT), only(**chances), np.random.default_rng(seed)
        )
        np.testing.assert_array_equal(truth.boxes, before.boxes)
        changed += not np.array_equal(found, image)
        if "grey" in chances:
            assert (np.ptp(found, axis=2) == 0).all()
    assert changed >= 15


@pytest.mark.parametrize("level", [0, 60, 128, 255])
def test_light_changes_all_channels_alike(level: int) -> None:
    """A grey picture has no colour to turn: brightness and contrast must leave it grey."""
    image = np.full((40, 40, 3), level, np.uint8)
    levels = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found, _ = augment(image, Annotation.empty(), stretched(40, 40), only(photometric=1.0), rng)
        assert np.ptp(found) == 0
        levels.add(int(found[0, 0, 0]))
    assert len(levels) > 5
    assert all(0.6 * level - 33 <= v <= 1.4 * level + 33 for v in levels)


def test_the_same_generator_gives_the_same_picture_and_another_another() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    _, before = one_square(0)
    kept = image.copy(), before.boxes.copy()

    def result(seed: int) -> bytes:
        found, truth = augment(
            image, before, stretched(100, 90), AugmentSection(), np.random.default_rng(seed)
        )
        return found.tobytes() + truth.boxes.tobytes()

    results = [result(seed) for seed in range(10)]
    assert results == [result(seed) for seed in range(10)]
    assert len(set(results)) == 10
    # What was given is not written to.
    np.testing.assert_array_equal(image, kept[0])
    np.testing.assert_array_equal(before.boxes, kept[1])


def test_tables_change_colours_as_arithmetic_does() -> None:
    """Hue turns by whole steps of 2 degrees, saturation is multiplied, of every pixel alike."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (50, 70, 3)).astype(np.uint8)
    turned = 0
    for seed in range(30):
        found, _ = augment(
            image, Annotation.empty(), stretched(70, 50), only(photometric=1.0),
            np.random.default_rng(seed),
        )  # fmt: skip
        draw = np.random.default_rng(seed)
        draw.random(5)  # crop, expand, both flips, photometric
        gain = draw.uniform(0.6, 1.4) if draw.random() < 0.5 else 1.0
        offset = draw.uniform(-32, 32) if draw.random() < 0.5 else 0.0
        lit = np.clip(np.rint(image * gain + max(offset, 0.0)), 0, 255) + min(offset, 0.0)
        expected = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
        if draw.random() < 0.5:
            turned += 1
            hsv = cv2.cvtColor(expected, cv2.COLOR_BGR2HSV).astype(float)
            hsv[..., 0] = (hsv[..., 0] + draw.integers(-9, 10)) % 180
            hsv[..., 1] = np.clip(np.rint(hsv[..., 1] * draw.uniform(0.6, 1.4)), 0, 255)
            expected = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)
        # A half may round either way, here and again on the way from hue to colour.
        assert np.abs(found.astype(int) - expected).mean() < 0.5
    assert 5 < turned < 25
