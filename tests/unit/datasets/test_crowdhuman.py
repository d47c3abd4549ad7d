"""CrowdHuman's odgt: which box is read, what is to be ignored, optional keys, damaged lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hexdet.datasets.faults import Faults
from hexdet.errors import DataError

from .conftest import OpenData, PutImage

HEAD = {"ignore": 0, "occ": 0, "unsure": 0}


def person(**change: Any) -> dict[str, Any]:
    whole = {
        "fbox": [-5, 4, 30, 60],
        "vbox": [2, 5, 20, 20],
        "hbox": [8, 6, 9, 10],
        "tag": "person",
        "extra": {"box_id": 0, "occ": 1},
        "head_attr": dict(HEAD),
    }
    return {**whole, **change}


MASK = {
    "tag": "mask",
    "hbox": [40, 4, 9, 20],
    "fbox": [40, 4, 9, 20],
    "vbox": [40, 4, 9, 20],
    "extra": {"ignore": 1},
    "head_attr": {},
}


@pytest.fixture
def write(
    put_image: PutImage, put_text: Callable[[str, str], Path]
) -> Callable[[list[dict[str, Any]]], Path]:
    """Return a function that writes an odgt of one image with these boxes, and one without any."""

    def make(boxes: list[dict[str, Any]]) -> Path:
        lines = [{"ID": "273271,a", "gtboxes": boxes}, {"ID": "273278,b", "gtboxes": []}]
        for line in lines:
            put_image(f"crowdhuman/Images/{line['ID']}.jpg")
        text = "".join(json.dumps(line) + "\n" for line in lines)
        return put_text("crowdhuman/annotation_train.odgt", text)

    return make


Write = Callable[[list[dict[str, Any]]], Path]


@pytest.mark.parametrize(
    ("boxes", "classes", "expected"),
    [
        ("head", ("head",), [8, 6, 17, 16]),
        ("visible", ("person",), [2, 5, 22, 25]),
        ("full", ("person",), [0, 4, 25, 40]),  # it reaches beyond the image
    ],
)
def test_one_box_of_each_person_is_read(
    boxes: str, classes: tuple[str, ...], expected: list[int], write: Write, open_data: OpenData
) -> None:
    write([person()])
    dataset = open_data(format="crowdhuman", boxes=boxes)
    assert dataset.classes == classes
    assert dataset.annotation(0).boxes.tolist() == [expected]
    assert len(dataset[1].annotation) == 0


def test_person_and_head_are_two_classes_where_wanted(write: Write, open_data: OpenData) -> None:
    write([person(), MASK])
    dataset = open_data(format="crowdhuman", boxes=["visible", "head"], classes=["person", "head"])
    truth = dataset.annotation(0)
    assert truth.labels.tolist() == [1, 2, 1, 2]
    assert truth.boxes.tolist() == [
        [2, 5, 22, 25],
        [8, 6, 17, 16],
        [40, 4, 49, 24],
        [40, 4, 49, 24],
    ]
    assert truth.ignore.tolist() == [False, False, True, True]


@pytest.mark.parametrize(
    ("box", "head", "full"),
    [
        (person(), False, False),
        (person(extra={}, head_attr={}), False, False),
        (person(extra={"box_id": 0, "occ": 0, "ignore": 1}), True, True),
        (person(head_attr={**HEAD, "ignore": 1}), True, False),
        (person(head_attr={**HEAD, "unsure": 1}), False, False),
        (MASK, True, True),
        ({k: v for k, v in MASK.items() if k not in ("head_attr", "extra")}, True, True),
    ],
    ids=["person", "no attributes", "ignored", "head ignored", "unsure", "mask", "bare mask"],
)
def test_what_is_to_be_ignored(
    box: dict[str, Any], head: bool, full: bool, write: Write, open_data: OpenData
) -> None:
    write([box])
    for boxes, expected in (("head", head), ("full", full)):
        dataset = open_data(format="crowdhuman", boxes=boxes)
        assert dataset.annotation(0).ignore.tolist() == [expected]


def test_a_line_that_is_damaged_is_refused_by_its_number_and_listed_by_an_inspection(
    write: Write, open_data: OpenData
) -> None:
    path = write([person(), person(hbox=[1, 2, 3])])
    text = path.read_text()
    with pytest.raises(DataError, match="line 1: the head box has 3 numbers"):
        open_data(format="crowdhuman")
    path.write_text("{" + text)
    with pytest.raises(DataError, match="line 1 is not CrowdHuman's JSON"):
        open_data(format="crowdhuman")
    faults = Faults(keep=True)
    assert len(open_data(faults=faults, format="crowdhuman")) == 1
    assert [(f.image, f.reason) for f in faults.found] == [("line 1", "unreadable annotation")]


def test_images_may_lie_in_a_folder_for_each_split(
    put_image: PutImage, put_text: Callable[[str, str], Path], open_data: OpenData
) -> None:
    put_image("crowdhuman/CrowdHuman_val/a.jpg")
    put_text("crowdhuman/annotation_val.odgt", '{"ID": "a", "gtboxes": []}\n')
    dataset = open_data("val", format="crowdhuman", images="CrowdHuman_{split}")
    assert dataset[0].name == "a"
