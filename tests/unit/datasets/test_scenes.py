"""The rendered scenes: the same for the same numbers, and a fair share of every kind of head."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import pytest

from hexdet.datasets.record import Record
from hexdet.datasets.scenes import Scenes
from hexdet.datasets.scenes.dataset import NETWORK_PX

COUNT = 60


@pytest.fixture(scope="module")
def scenes() -> Iterator[list[Record]]:
    """The first scenes of the training split."""
    dataset = Scenes(split="train", count=COUNT)
    return [dataset[index] for index in range(COUNT)]


def same(a: Record, b: Record) -> bool:
    return (
        a.name == b.name
        and a.image.tobytes() == b.image.tobytes()
        and a.annotation.boxes.tobytes() == b.annotation.boxes.tobytes()
        and a.annotation.ignore.tobytes() == b.annotation.ignore.tobytes()
    )


def test_none_at_all() -> None:
    empty = Scenes(split="train", count=0)
    assert len(empty) == 0
    assert [empty[i] for i in range(len(empty))] == []


def test_same_in_any_order_and_for_any_count(scenes: list[Record]) -> None:
    other = Scenes(split="train", count=100_000)
    for index in (7, 3, 0, 3):
        assert same(other[index], scenes[index])


@pytest.mark.parametrize(("split", "seed"), [("val", 0), ("test", 0), ("train", 1)])
def test_splits_and_seeds_share_no_scene(scenes: list[Record], split: str, seed: int) -> None:
    other = Scenes(split=split, count=3, seed=seed)  # type: ignore[arg-type]
    known = {hashlib.sha256(record.image.tobytes()).digest() for record in scenes}
    assert not known & {hashlib.sha256(other[i].image.tobytes()).digest() for i in range(3)}


def test_annotation_is_that_of_the_record(scenes: list[Record]) -> None:
    truth = Scenes(split="train", count=COUNT).annotation(4)
    np.testing.assert_array_equal(truth.boxes, scenes[4].annotation.boxes)
    np.testing.assert_array_equal(truth.ignore, scenes[4].annotation.ignore)


@pytest.mark.parametrize("index", [5, 6, -1, -5])
def test_index_outside_is_refused(index: int) -> None:
    with pytest.raises(IndexError):
        Scenes(split="train", count=5)[index]


def test_iterating_ends() -> None:
    assert len(list(Scenes(split="val", count=2))) == 2  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("split", "count", "seed"), [("training", 1, 0), ("train", -1, 0), ("train", 1, -1)]
)
def test_nonsense_is_refused(split: str, count: int, seed: int) -> None:
    with pytest.raises(ValueError, match=r"split|negative"):
        Scenes(split=split, count=count, seed=seed)  # type: ignore[arg-type]


def test_images_are_bgr_pictures_that_differ(scenes: list[Record]) -> None:
    for record in scenes:
        assert record.image.dtype == np.uint8
        assert record.image.ndim == 3 and record.image.shape[2] == 3
        assert record.image.flags.c_contiguous
    assert len({hashlib.sha256(r.image.tobytes()).digest() for r in scenes}) == COUNT
    assert len({r.image.shape for r in scenes}) > 3


def test_boxes_lie_inside_with_an_area(scenes: list[Record]) -> None:
    for record in scenes:
        height, width = record.image.shape[:2]
        boxes = record.annotation.boxes
        assert boxes.dtype == np.float32
        assert (boxes[:, :2] >= 0).all()
        assert (boxes[:, 2] <= width).all() and (boxes[:, 3] <= height).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (record.annotation.labels == 1).all()


def test_most_heads_are_of_the_promised_sizes(scenes: list[Record]) -> None:
    sides = []
    for record in scenes:
        height, width = record.image.shape[:2]
        boxes = record.annotation.boxes[~record.annotation.ignore]
        sides.append((boxes[:, 2:] - boxes[:, :2]) * NETWORK_PX / (width, height))
    side_px = np.sqrt(np.concatenate(sides).prod(axis=1))
    assert ((side_px >= 12) & (side_px <= 128)).mean() > 0.85
    small, medium, large = np.histogram(side_px, [0, 32, 64, 400])[0] / len(side_px)
    assert small > 0.2 and medium > 0.15 and large > 0.02


def test_some_scenes_are_empty_some_crowded_some_heads_ignored(scenes: list[Record]) -> None:
    counts = [int((~record.annotation.ignore).sum()) for record in scenes]
    assert 0 in counts and max(counts) >= 10
    ignored = sum(int(record.annotation.ignore.sum()) for record in scenes)
    assert 0 < ignored < 0.4 * (sum(counts) + ignored)


def test_a_head_differs_from_what_surrounds_it(scenes: list[Record]) -> None:
    """A box lies on a drawn head: in most, the middle is unlike the corners outside the head."""
    unlike = []
    for record in scenes:
        image = record.image.astype(np.float32)
        for box in record.annotation.boxes[~record.annotation.ignore]:
            x1, y1, x2, y2 = (int(v) for v in box)
            if min(x2 - x1, y2 - y1) < 16:
                continue
            third = max(1, (x2 - x1) // 3)
            middle = image[y1:y2, x1 + third : x2 - third].mean(axis=(0, 1))
            corner = image[y1 : y1 + 3, x1 : x1 + 3].mean(axis=(0, 1))
            unlike.append(np.abs(middle - corner).max() > 8)
    assert np.mean(unlike) > 0.7


def test_fingerprint_follows_split_count_and_seed() -> None:
    prints = {
        Scenes(split="train", count=5).fingerprint(),
        Scenes(split="val", count=5).fingerprint(),
        Scenes(split="train", count=6).fingerprint(),
        Scenes(split="train", count=5, seed=1).fingerprint(),
    }
    assert len(prints) == 4
    assert Scenes(split="train", count=5).fingerprint() in prints


def test_names_tell_split_seed_and_index() -> None:
    dataset = Scenes(split="test", count=2, seed=3)
    assert dataset.name == "scenes-test"
    assert dataset.classes == ("head",)
    assert dataset.dropped == []
    assert dataset[1].name == "test-3-000001"
