"""Detections as columns, as JSON and as a picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hexdet.errors import DataError
from hexdet.runtime.detections import Detections
from hexdet.runtime.drawing import PALETTE


def detections(
    *rows: tuple[tuple[float, float, float, float], float, int],
    classes: tuple[str, ...] = ("head", "person"),
) -> Detections:
    return Detections(
        boxes=np.asarray([r[0] for r in rows], np.float32).reshape(-1, 4),
        scores=np.asarray([r[1] for r in rows], np.float32),
        labels=np.asarray([r[2] for r in rows], np.int64),
        classes=classes,
    )


NONE = detections()
TWO = detections(((10, 20, 50, 60), 0.9, 2), ((1.23456, 0, 30, 40), 0.25, 1))


def test_nothing_found() -> None:
    assert len(NONE) == 0
    assert NONE.to_json() == []
    assert len(NONE.above(0.0)) == 0
    image = np.full((20, 30, 3), 7, np.uint8)
    np.testing.assert_array_equal(NONE.draw(image), image)


def test_to_json_names_the_classes_and_is_plain() -> None:
    assert json.loads(json.dumps(TWO.to_json())) == [
        {"class": "person", "label": 2, "score": 0.9, "box": [10.0, 20.0, 50.0, 60.0]},
        {"class": "head", "label": 1, "score": 0.25, "box": [1.235, 0.0, 30.0, 40.0]},
    ]


@pytest.mark.parametrize(
    ("score", "labels"),
    [(0.0, [2, 1]), (0.25, [2, 1]), (0.26, [2]), (0.5, [2]), (0.95, []), (1.0, [])],
)
def test_above_keeps_at_least_this_score(score: float, labels: list[int]) -> None:
    kept = TWO.above(score)
    assert kept.labels.tolist() == labels
    assert kept.boxes.shape == (len(labels), 4)
    assert kept.classes == TWO.classes
    assert kept.to_json() == TWO.to_json()[: len(labels)]
    assert len(TWO) == 2


@pytest.mark.parametrize(
    ("chosen", "labels"),
    [
        (slice(0, 0), []),
        (slice(None), [2, 1]),
        (slice(1), [2]),
        (slice(None, None, -1), [1, 2]),
        (np.asarray([False, False]), []),
        (np.asarray([False, True]), [1]),
        (np.zeros(0, np.int64), []),
        (np.asarray([1, 0, 1]), [1, 2, 1]),
    ],
    ids=str,
)
def test_detections_are_chosen_by_slice_mask_or_positions(
    chosen: slice | np.ndarray[tuple[int, ...], np.dtype[np.int64]], labels: list[int]
) -> None:
    found = TWO[chosen]
    assert found.labels.tolist() == labels
    assert found.boxes.shape == (len(labels), 4)
    assert found.scores.shape == (len(labels),)
    assert found.classes == TWO.classes
    assert TWO.labels.tolist() == [2, 1]


def test_a_mask_of_another_length_is_refused() -> None:
    with pytest.raises(IndexError):
        TWO[np.asarray([True])]


def test_detections_are_columns_and_no_sequence() -> None:
    with pytest.raises(TypeError, match="not iterable"):
        iter(TWO)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="by a slice or an array, not by int"):
        TWO[0]  # type: ignore[index]


def test_of_class_chooses_by_name() -> None:
    assert TWO.of_class("person").scores.tolist() == [np.float32(0.9)]
    assert TWO.of_class("head").labels.tolist() == [1]
    assert len(NONE.of_class("head")) == 0
    with pytest.raises(ValueError, match="not in tuple"):
        TWO.of_class("dog")


def test_coco_of_nothing_is_nothing() -> None:
    assert NONE.to_coco(7) == []


@pytest.mark.parametrize(
    ("category_ids", "expected"), [(None, (2, 1)), ({1: 100, 2: 200}, (200, 100))]
)
def test_to_coco_is_what_the_coco_tools_read(
    category_ids: dict[int, int] | None, expected: tuple[int, int]
) -> None:
    found = TWO.to_coco(139, category_ids)
    assert json.loads(json.dumps(found)) == [
        {"image_id": 139, "category_id": expected[0], "bbox": [10, 20, 40, 40], "score": 0.9},
        {
            "image_id": 139,
            "category_id": expected[1],
            "bbox": [1.235, 0, 28.765, 40],
            "score": 0.25,
        },
    ]


KINDS = {
    "BGR": np.full((80, 100, 3), (10, 20, 30), np.uint8),
    "grey": np.full((80, 100), 20, np.uint8),
    "grey, one channel": np.full((80, 100, 1), 20, np.uint8),
    "alpha": np.full((80, 100, 4), (10, 20, 30, 0), np.uint8),
    "16 bits": np.full((80, 100, 3), (2570, 5140, 7710), np.uint16),
    "16 bits, grey": np.full((80, 100), 5140, np.uint16),
}


@pytest.mark.parametrize("kind", KINDS)
def test_draw_takes_every_image_that_the_detector_takes(kind: str) -> None:
    image = KINDS[kind]
    drawn = TWO.draw(image)
    assert (drawn.shape, drawn.dtype) == ((80, 100, 3), np.uint8)
    expected = (20, 20, 20) if "grey" in kind else (10, 20, 30)
    assert drawn[79, 99].tolist() == list(expected)
    plain = np.full((80, 100, 3), expected, np.uint8)
    np.testing.assert_array_equal(drawn, TWO.draw(plain))
    assert (image == KINDS[kind].flat[0]).any()


def test_an_rgb_image_stays_one() -> None:
    image = np.random.default_rng(0).integers(0, 256, (80, 100, 3)).astype(np.uint8)
    swapped = np.ascontiguousarray(image[..., ::-1])
    np.testing.assert_array_equal(TWO.draw(swapped, colour="rgb")[..., ::-1], TWO.draw(image))


def test_draw_refuses_what_is_no_image() -> None:
    with pytest.raises(DataError, match="cannot be float64"):
        TWO.draw(np.zeros((4, 4, 3)))  # type: ignore[arg-type]


@pytest.mark.parametrize("order", ["C", "F"])
def test_draw_returns_a_copy_and_leaves_the_image_alone(order: str) -> None:
    image = np.full((80, 100, 3), 128, np.uint8, order=order)  # type: ignore[call-overload]
    before = image.copy()
    drawn = TWO.draw(image)
    assert not np.shares_memory(drawn, image)
    np.testing.assert_array_equal(image, before)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert (drawn != image).any()


def test_draw_takes_an_image_that_cannot_be_written_to() -> None:
    image = np.full((80, 100, 3), 128, np.uint8)
    image.setflags(write=False)
    assert (TWO.draw(image) != image).any()


@pytest.mark.parametrize("label", [1, 2])
def test_a_box_is_drawn_at_its_place_in_the_colour_of_its_class(label: int) -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    drawn = detections(((50, 100, 150, 180), 0.5, label)).draw(image)
    red, green, blue = PALETTE[label - 1]
    for x, y in ((100, 180), (50, 140), (150, 140)):  # bottom, left, right
        np.testing.assert_allclose(drawn[y, x], [blue, green, red], rtol=0.15)  # smoothed lines
    assert not drawn[110:175, 60:140].any()  # inside
    assert not drawn[185:].any()  # below


@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (1, 40), (40, 1), (5, 5), (12, 20), (8, 300)]
)
def test_labels_in_tiny_images_do_no_harm(height: int, width: int) -> None:
    image = np.full((height, width, 3), 50, np.uint8)
    found = detections(
        ((0, 0, width, height), 1.0, 1),
        ((width - 1, height - 1, width, height), 0.5, 2),
        classes=("a class with a rather long name", "b"),
    )
    drawn = found.draw(image)
    assert drawn.shape == image.shape
    assert (drawn != image).any()


@pytest.mark.parametrize(
    "box",
    [(0, 0, 40, 30), (185, 0, 200, 30), (0, 90, 40, 100), (185, 90, 200, 100)],
    ids=["top left", "top right", "bottom left", "bottom right"],
)
def test_the_label_of_a_box_in_a_corner_is_inside_the_image(
    box: tuple[float, float, float, float],
) -> None:
    drawn = detections((box, 0.87, 1)).draw(np.zeros((100, 200, 3), np.uint8))
    # White letters, not cut: as many as in the middle of the picture.
    middle = detections(((80, 50, 120, 80), 0.87, 1)).draw(np.zeros((100, 200, 3), np.uint8))
    assert (drawn.min(axis=2) > 200).sum() == (middle.min(axis=2) > 200).sum() > 20


def test_a_class_past_the_end_of_the_palette_has_a_colour() -> None:
    classes = tuple(f"class {i}" for i in range(len(PALETTE) + 1))
    last = detections(((5, 30, 60, 70), 0.5, len(classes)), classes=classes)
    first = detections(((5, 30, 60, 70), 0.5, 1), classes=classes)
    image = np.zeros((80, 100, 3), np.uint8)
    assert last.draw(image)[70, 30].tolist() == first.draw(image)[70, 30].tolist() != [0, 0, 0]


def test_labels_of_neighbours_do_not_hide_each_other() -> None:
    boxes = [((60.0 + 3 * i, 80.0 + 4 * i, 140.0, 150.0), 0.9 - i / 10, 1) for i in range(3)]
    drawn = detections(*boxes).draw(np.zeros((240, 320, 3), np.uint8))
    alone = [detections(box).draw(np.zeros((240, 320, 3), np.uint8)) for box in boxes]
    letters = [int((picture.min(axis=2) > 200).sum()) for picture in (drawn, *alone)]
    assert letters[0] == sum(letters[1:]) > 0


def test_the_better_of_two_equal_boxes_is_on_top() -> None:
    box = (20.0, 40.0, 80.0, 70.0)
    drawn = detections((box, 0.9, 2), (box, 0.8, 1)).draw(np.zeros((100, 120, 3), np.uint8))
    red, green, blue = PALETTE[1]
    np.testing.assert_allclose(drawn[70, 50], [blue, green, red], rtol=0.2)
