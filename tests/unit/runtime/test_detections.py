"""Detections as columns, as JSON and as a picture."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hexdet.runtime.detections import PALETTE, Detections


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
