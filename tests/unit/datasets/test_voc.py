"""The VOC reader, on a small dataset that each test writes: what it keeps, drops and refuses."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from hexdet.datasets.annotated_files import AnnotatedFiles
from hexdet.datasets.faults import Faults
from hexdet.datasets.record import Dropped
from hexdet.datasets.voc import open_voc
from hexdet.errors import DataError
from hexdet.recipe.data import VocData

CLASSES = ("head", "person")
WIDTH, HEIGHT = 60, 40

Corners = tuple[object, object, object, object]


def obj(
    box: Corners, name: str = "head", *, difficult: object = 0, sides: str = "xmin ymin xmax ymax"
) -> str:
    bounds = "".join(f"<{k}>{v}</{k}>" for k, v in zip(sides.split(), box, strict=True))
    hard = "" if difficult is None else f"<difficult>{difficult}</difficult>"
    return f"<object><name>{name}</name>{hard}<bndbox>{bounds}</bndbox></object>"


def xml_of(objects: Sequence[str], width: object = WIDTH, height: object = HEIGHT) -> str:
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation><filename>x</filename>{size}{''.join(objects)}</annotation>"


def voc_of(
    folder: Path, *, split: str, classes: tuple[str, ...] = CLASSES, address: str = ""
) -> AnnotatedFiles:
    data = VocData(format="voc", folder=str(folder), classes=classes, address=address)
    return open_voc(data, folder, split, Faults())


class Layout:
    """A dataset on disk that grows image by image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (folder / part).mkdir(parents=True)

    def image(self, name: str) -> Path:
        return self.folder / "JPEGImages" / f"{name}.jpg"

    def xml(self, name: str) -> Path:
        return self.folder / "Annotations" / f"{name}.xml"

    def split(self, name: str = "train") -> Path:
        return self.folder / "ImageSets" / "Main" / f"{name}.txt"

    def add(self, name: str, *objects: str) -> None:
        picture = np.full((HEIGHT, WIDTH, 3), (10, 20, 200), np.uint8)
        assert cv2.imwrite(str(self.image(name)), picture)
        self.xml(name).write_text(xml_of(objects))
        with self.split().open("a") as stream:
            stream.write(f"{name}\n")

    def open(self, split: str = "train") -> AnnotatedFiles:
        return voc_of(self.folder, split=split, classes=CLASSES)


@pytest.fixture
def voc(tmp_path: Path) -> Layout:
    """An empty dataset: folders only."""
    return Layout(tmp_path / "cells" / "VOC")


def refused(voc: Layout, split: str = "train") -> str:
    with pytest.raises(DataError) as caught:
        voc.open(split)
    return str(caught.value)


def test_an_image_without_objects(voc: Layout) -> None:
    voc.add("a")
    dataset = voc.open()
    assert len(dataset) == 1
    assert len(dataset[0].annotation) == 0
    assert dataset[0].annotation.boxes.shape == (0, 4)
    assert dataset.dropped == []


def test_a_record_is_the_image_with_its_truth(voc: Layout) -> None:
    voc.add("b", obj((2, 3, 10, 20)), obj((11, 12, 40, 40), "person"))
    voc.add("a", obj((5, 5, 9, 9), "person"))
    dataset = voc.open()
    assert dataset.name == "VOC/train"
    assert dataset.classes == CLASSES
    assert [dataset[i].name for i in range(2)] == ["b", "a"]  # the split's order
    record = dataset[0]
    assert record.image.shape == (HEIGHT, WIDTH, 3)
    assert record.image.dtype == np.uint8
    np.testing.assert_allclose(record.image[5, 5], (10, 20, 200), atol=6)  # BGR
    assert record.annotation.labels.tolist() == [1, 2]
    assert dataset.annotation(0) is record.annotation
    assert dataset.image_path(1) == voc.image("a")
    with pytest.raises(IndexError):
        dataset[2]


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ((1, 1, WIDTH, HEIGHT), (0, 0, WIDTH, HEIGHT)),
        ((2, 3, 10, 20), (1, 2, 10, 20)),
        ((5, 5, 6, 6), (4, 4, 6, 6)),
        ((2.5, 3.5, 10.25, 20.75), (1.5, 2.5, 10.25, 20.75)),
        ((" 2 ", "3\n", 10, 20), (1, 2, 10, 20)),
        ((0, 0, 10, 20), (0, 0, 10, 20)),
        ((50, 30, 90, 99), (49, 29, WIDTH, HEIGHT)),
    ],
    ids=["whole", "plain", "2 x 2", "fractions", "blanks", "counted from 0", "cut"],
)
def test_boxes_count_pixels_from_1_and_include_the_last(
    corners: Corners, expected: tuple[float, ...], voc: Layout
) -> None:
    voc.add("a", obj(corners))
    dataset = voc.open()
    np.testing.assert_array_equal(dataset.annotation(0).boxes, [expected])
    assert dataset.dropped == []


def test_sides_are_found_by_their_names_not_their_order(voc: Layout) -> None:
    voc.add("a", obj((20, 10, 3, 2), sides="ymax xmax ymin xmin"))
    np.testing.assert_array_equal(voc.open().annotation(0).boxes, [[1, 2, 10, 20]])


@pytest.mark.parametrize(
    ("item", "reason", "detail"),
    [
        (obj((5, 5, 5, 9)), "zero area", "head"),
        (obj((5, 5, 9, 5)), "zero area", "head"),
        (obj((5, 5, 5, 5)), "zero area", "head"),
        (obj((9, 5, 5, 9)), "zero area", "head"),
        (obj((0, 0, 0, 0)), "zero area", "head"),
        (obj((WIDTH + 1, 1, WIDTH + 9, 9)), "outside the image", "head"),
        (obj((1, HEIGHT + 1, 9, HEIGHT + 9)), "outside the image", "head"),
        (obj((-20, 1, -2, 9)), "outside the image", "head"),
        (obj((1, 1, 9, 9), "cat"), "unknown class", "cat"),
        (obj((1, 1, 9, 9), "Head"), "unknown class", "Head"),
        (obj(("nan", 1, 9, 9)), "not finite", "head"),
        (obj((1, 1, 9, "nan")), "not finite", "head"),
        (obj((1, 1, "inf", 9)), "not finite", "head"),
        (obj(("inf", 1, 9, 9)), "not finite", "head"),
    ],
)
def test_what_cannot_be_learnt_from_is_dropped_and_listed(
    item: str, reason: str, detail: str, voc: Layout
) -> None:
    voc.add("good", obj((1, 1, 9, 9)))
    voc.add("bad", item, obj((2, 2, 9, 9)))
    dataset = voc.open()
    assert [len(dataset.annotation(i)) for i in range(2)] == [1, 1]
    (dropped,) = dataset.dropped
    assert isinstance(dropped, Dropped)
    assert (dropped.image, dropped.reason) == ("bad", reason)
    assert dropped.detail.startswith(f"{detail} (")


@pytest.mark.parametrize(
    ("difficult", "ignore"), [(None, False), (0, False), (1, True), (" 1 ", True), ("", False)]
)
def test_a_difficult_object_is_marked_ignore(difficult: object, ignore: bool, voc: Layout) -> None:
    voc.add("a", obj((1, 1, 9, 9), difficult=difficult))
    assert voc.open().annotation(0).ignore.tolist() == [ignore]


def test_a_split_with_a_second_column_and_empty_lines_is_read(voc: Layout) -> None:
    voc.add("a", obj((1, 1, 9, 9)))
    voc.add("b")
    voc.split("val").write_text("b  1\n\na -1\n")
    dataset = voc.open("val")
    assert [dataset[i].name for i in range(len(dataset))] == ["b", "a"]


def test_a_missing_folder_is_refused_with_address_and_layout(tmp_path: Path) -> None:
    folder = tmp_path / "nowhere"
    with pytest.raises(DataError, match=re.escape(str(folder))) as caught:
        voc_of(folder, split="train", classes=CLASSES, address="https://example.org/cells")
    for words in (
        "https://example.org/cells",
        "HEXDET_DATA",
        "JPEGImages/*.jpg",
        "Annotations/*.xml",
        "ImageSets/Main/<split>.txt",
    ):
        assert words in str(caught.value)


def test_a_missing_folder_without_an_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="HEXDET_DATA") as caught:
        voc_of(tmp_path, split="train", classes=CLASSES)
    assert "get it from" not in str(caught.value)


def test_a_missing_split_lists_the_known(voc: Layout) -> None:
    voc.add("a")
    voc.split("val").write_text("a\n")
    said = refused(voc, "trial")
    assert "'trial'" in said
    assert "train, val" in said


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe\xe9\n"])
def test_a_split_without_names_is_refused(content: bytes, voc: Layout) -> None:
    voc.split().write_bytes(content)
    assert str(voc.split()) in refused(voc)


def test_a_missing_image_is_refused_by_name(voc: Layout) -> None:
    voc.add("a")
    voc.image("a").unlink()
    assert str(voc.image("a")) in refused(voc)


def test_a_missing_annotation_is_refused_by_name(voc: Layout) -> None:
    voc.add("a")
    voc.xml("a").unlink()
    assert f"{voc.xml('a')} is missing" in refused(voc)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no xml at all",
        xml_of([obj((1, 1, 9, 9))])[:-30],
        '<?xml version="1.0" encoding="nonsense"?>' + xml_of([]),
        "<annotation/>",
        xml_of([], width="wide"),
        xml_of([], height=""),
        xml_of(["<object><name>head</name></object>"]),
        xml_of(["<object><bndbox/></object>"]),
        xml_of([obj((1, 1, 9, 9), "")]),
        xml_of([obj((1, 1, 9, "x"))]),
        xml_of([obj((1, 1, 9, ""))]),
        xml_of([obj((1, 1, 9, 9), sides="xmin ymin xmax xmax2")]),
    ],
    ids=[
        "empty",
        "text",
        "cut off",
        "unknown encoding",
        "no size",
        "size is a word",
        "size is empty",
        "no box",
        "no name",
        "empty name",
        "corner is a word",
        "corner is empty",
        "corner is missing",
    ],
)
def test_a_broken_annotation_is_refused_by_name(content: str, voc: Layout) -> None:
    voc.add("a")
    voc.add("b")
    voc.xml("b").write_text(content)
    assert f"{voc.xml('b')} cannot be read" in refused(voc)


def test_a_folder_in_place_of_an_annotation_is_refused_by_name(voc: Layout) -> None:
    voc.add("a")
    voc.xml("a").unlink()
    voc.xml("a").mkdir()
    assert str(voc.xml("a")) in refused(voc)


def test_a_damaged_image_is_refused_when_it_is_read(voc: Layout) -> None:
    voc.add("a")
    voc.image("a").write_bytes(voc.image("a").read_bytes()[:-40])
    dataset = voc.open()
    with pytest.raises(DataError, match=re.escape(str(voc.image("a")))):
        dataset[0]


def test_the_fingerprint_is_the_same_for_the_same_data(voc: Layout) -> None:
    voc.add("a", obj((1, 1, 9, 9)))
    assert voc.open().fingerprint() == voc.open().fingerprint()
    assert re.fullmatch("[0-9a-f]{64}", voc.open().fingerprint())


@pytest.mark.parametrize(
    "objects",
    [
        [],
        [obj((1, 1, 9, 10))],
        [obj((1, 1, 9, 9), "person")],
        [obj((1, 1, 9, 9), difficult=1)],
        [obj((1, 1, 9, 9)), obj((1, 1, 9, 9))],
    ],
    ids=["no box", "another box", "another class", "difficult", "one more"],
)
def test_the_fingerprint_changes_with_the_truth(objects: list[str], voc: Layout) -> None:
    voc.add("a", obj((1, 1, 9, 9)))
    before = voc.open().fingerprint()
    voc.xml("a").write_text(xml_of(objects))
    assert voc.open().fingerprint() != before


def test_the_fingerprint_changes_with_the_images(voc: Layout) -> None:
    voc.add("a")
    voc.add("b")
    before = voc.open().fingerprint()
    voc.split("other").write_text("b\na\n")
    voc.split("fewer").write_text("a\n")
    assert len({before, *(voc.open(s).fingerprint() for s in ("other", "fewer"))}) == 3
    voc.image("a").write_bytes(voc.image("a").read_bytes() + b"\x00")
    assert voc.open().fingerprint() != before


def test_all_needs_no_list(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "voc")
    with pytest.raises(DataError, match="no annotation in"):
        voc_of(layout.folder, split="all", classes=CLASSES)
    for name in ("b", "a"):
        cv2.imwrite(str(layout.image(name)), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        layout.xml(name).write_text(xml_of([obj((1, 1, 9, 9))]))
    shutil.rmtree(layout.folder / "ImageSets")
    everything = voc_of(layout.folder, split="all", classes=CLASSES)
    assert [everything[i].name for i in range(2)] == ["a", "b"]
    with pytest.raises(DataError, match="known: all"):
        voc_of(layout.folder, split="test", classes=CLASSES)


def test_a_list_called_all_is_read(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "voc")
    for name in ("b", "a"):
        cv2.imwrite(str(layout.image(name)), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        layout.xml(name).write_text(xml_of([]))
    layout.split("all").write_text("b\n")
    assert len(voc_of(layout.folder, split="all", classes=CLASSES)) == 1
