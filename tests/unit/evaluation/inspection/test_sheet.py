"""The contact sheet: defective, dense and extreme images, then a cross-section; how it is drawn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hexdet.datasets.faults import Faults
from hexdet.datasets.record import Annotation, Dropped
from hexdet.evaluation.inspection.counting import Subject, inspect_dataset
from hexdet.evaluation.inspection.schema import Inspection, Shown
from hexdet.evaluation.inspection.sheet import (
    DUPLICATE_BGR,
    IGNORE_BGR,
    PAPER_BGR,
    TILES,
    bgr_of,
    draw_tile,
    draw_tiles,
    save_sheet,
)
from hexdet.runtime.contract import InputSpec

from .conftest import Pictures, truth_of


def shown(pictures: Pictures) -> Inspection:
    subject = Subject(
        recipe="r", format="voc", split="train", input=InputSpec(width=100, height=100)
    )
    return inspect_dataset(pictures, subject, Faults(keep=True))[0]


def row(count: int) -> Annotation:
    return truth_of([(8.0 * i, 10, 8.0 * i + 6, 20) for i in range(count)])


def test_a_defect_of_every_kind_comes_before_the_second_of_any() -> None:
    twice = truth_of([(10, 10, 30, 30), (10, 10, 30, 30.5)])
    pictures = Pictures([twice] * 20 + [row(1)] * 30)
    pictures.dropped = [Dropped(image="p30", reason="zero area", detail="head")]
    found = shown(pictures)
    assert [(s.image, s.why) for s in found.sheet[:3]] == [
        ("p30", "zero area"),
        ("p0", "near-duplicate"),
        ("p1", "near-duplicate"),
    ]
    assert len(found.sheet) == TILES
    assert len({s.image for s in found.sheet}) == TILES


def test_dense_extreme_and_empty_images_are_there_and_the_rest_is_spread() -> None:
    truths = [row(2) for _ in range(200)]
    truths[150] = row(9)
    truths[77] = truth_of([(1, 1, 3, 3)])
    truths[99] = truth_of([(1, 1, 99, 49)])
    truths[120] = truth_of([])
    truths[130] = truth_of([(1, 1, 9, 9), (20, 1, 29, 9)], None, [True, False])
    found = shown(Pictures(truths))
    why = {s.image: s.why for s in found.sheet}
    assert why["p150"] == "dense: 9 boxes"
    assert why["p77"] == "smallest: 3 px"  # 2 x 2 pixels, twice as high in the square
    assert why["p99"].startswith("largest")
    assert why["p120"] == "no boxes"
    assert why["p130"] == "ignored: 1 boxes"
    spread = [int(s.image[1:]) for s in found.sheet if s.why == "cross-section"]
    assert spread == sorted(spread)
    assert (min(spread) < 10, max(spread) > 190) == (True, True)
    assert found.sheet == shown(Pictures(truths)).sheet


def test_a_small_dataset_is_shown_whole() -> None:
    assert {s.image for s in shown(Pictures([row(1), None, row(2)])).sheet} == {"p0", "p2"}


def test_boxes_are_drawn_where_they_are_in_the_colour_of_their_class() -> None:
    image = np.full((120, 160, 3), 255, np.uint8)  # half a tile, each way
    truth = truth_of([(10, 10, 50, 40), (80, 20, 120, 60), (60, 80, 100, 110)], [1, 2, 1])
    tile = draw_tile(image, truth, {2})
    assert tile.shape == (240, 320, 3)
    assert tuple(tile[20, 60]) == bgr_of(1)
    assert tuple(tile[40, 180]) == bgr_of(2)
    assert tuple(tile[160, 160]) == DUPLICATE_BGR
    assert tuple(tile[60, 60]) == (255, 255, 255)


def test_what_is_to_be_ignored_is_hatched_under_the_rest() -> None:
    image = np.full((240, 320, 3), 255, np.uint8)
    truth = truth_of([(50, 50, 100, 100), (40, 40, 200, 200)], None, [False, True])
    tile = draw_tile(image, truth, set())
    grey = (tile == IGNORE_BGR).all(axis=2)
    assert 0.1 < grey[110:190, 110:190].mean() < 0.3
    assert not grey[:30].any()
    assert tuple(tile[50, 70]) == bgr_of(1)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (900, 20), (20, 900)])
def test_any_image_fits_its_tile(height: int, width: int) -> None:
    image = np.full((height, width, 3), 255, np.uint8)
    tile = draw_tile(image, truth_of([(0, 0, width, height)]), set())
    assert tile.shape == (240, 320, 3)
    assert (tile == PAPER_BGR).all(axis=2).any()


def test_the_sheet_is_a_jpeg_of_all_tiles(tmp_path: Path) -> None:
    pictures = Pictures([row(1)] * 5)
    subject = Subject(recipe="r", format="voc", split="train", input=InputSpec(width=9, height=9))
    found, looks = inspect_dataset(pictures, subject, Faults(keep=True))
    tiles = draw_tiles(pictures, looks)
    path = save_sheet(tiles, found.sheet, "naïve/" + "long" * 30, ("head",), tmp_path)
    sheet = cv2.imread(str(path))
    assert sheet is not None
    assert sheet.shape[1] == 4 * 328 + 8
    assert save_sheet([], list[Shown](), "none", ("head",), tmp_path).stat().st_size > 0
