"""YOLO's layout: class lists, splits as folders or lists, shares, polygons, background images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hexdet.datasets.faults import Faults
from hexdet.errors import DataError

from .conftest import OpenData, PutImage

PutText = Callable[[str, str], Path]
SECTION = {"format": "yolo", "folder": "set", "classes": ["head"]}


@pytest.fixture
def labelled(put_image: PutImage, put_text: PutText) -> None:
    """Two images, the second without a text."""
    put_image("set/images/train/a.jpg")
    put_image("set/images/train/b.png")
    put_text("set/labels/train/a.txt", "0 0.5 0.5 0.5 0.5\n1 0.25 0.25 0.1 0.2\n")


@pytest.mark.parametrize(
    "text",
    [
        "train: images/train\nnames: [person, head]\n",
        "path: .\ntrain: images/train\nval: images/val\nnames:\n  0: person\n  1: head\n",
        "path: ../datasets/set\ntrain: [images/train]\nnc: 2\nnames: [person, head]\n",
        "train: ../images/train\nnames: {0: person, 1: head, 7: hat}\n",
        "train: list.txt\nnames: [person, head]\n",
    ],
    ids=["list of names", "mapping", "foreign path", "roboflow", "list of images"],
)
def test_a_yaml_names_classes_and_splits(
    text: str, labelled: None, put_text: PutText, open_data: OpenData
) -> None:
    put_text("set/data.yaml", text)
    put_text("set/list.txt", "./images/train/a.jpg\nimages/train/b.png\n")
    dataset = open_data(**SECTION)
    assert [dataset[i].name for i in range(2)] == ["images/train/a", "images/train/b"]
    np.testing.assert_allclose(dataset.annotation(0).boxes, [[12, 6, 18, 14]], atol=1e-4)
    assert len(dataset.annotation(1)) == 0
    assert [d.detail.split(" (")[0] for d in dataset.dropped] == ["person"]


def test_a_list_of_classes_and_a_folder_do_as_well(
    labelled: None, put_text: PutText, open_data: OpenData
) -> None:
    put_text("set/classes.txt", "person\nhead\n")
    dataset = open_data(**SECTION, names="classes.txt", train="images/train")
    assert len(dataset) == 2


def test_the_last_folder_called_images_becomes_labels(
    put_image: PutImage, put_text: PutText, open_data: OpenData
) -> None:
    put_image("set/images/images/deep/a.jpg")
    put_text("set/images/labels/deep/a.txt", "0 0.5 0.5 1 1\n")
    put_text("set/data.yaml", "train: images\nnames: [head]\n")
    assert len(open_data(**SECTION).annotation(0)) == 1


def test_texts_may_lie_beside_the_images(
    put_image: PutImage, put_text: PutText, open_data: OpenData
) -> None:
    put_image("set/obj_train_data/a.jpg")
    put_text("set/obj_train_data/a.txt", "0 0.5 0.5 1 1\n")
    put_text("set/obj.names", "head\n")
    dataset = open_data(**SECTION, names="obj.names", train="obj_train_data")
    assert dataset.annotation(0).boxes.tolist() == [[0, 0, 60, 40]]


@pytest.mark.parametrize(
    ("line", "box"),
    [
        ("0 0.5 0.5 0.5 0.5", [15, 10, 45, 30]),
        ("0 0.9 0.5 0.4 0.5", [42, 10, 60, 30]),
        ("0.0 0.5 0.5 1.005 0.5", [0, 10, 60, 30]),
        ("0 0.1 0.2 0.4 0.3 0.2 0.7", [6, 8, 24, 28]),
    ],
    ids=["plain", "over the edge", "rounded", "polygon"],
)
def test_shares_become_pixels(
    line: str, box: list[float], labelled: None, put_text: PutText, open_data: OpenData
) -> None:
    put_text("set/data.yaml", "train: images/train\nnames: [head]\n")
    put_text("set/labels/train/a.txt", line)
    np.testing.assert_allclose(open_data(**SECTION).annotation(0).boxes, [box], atol=1e-4)


def test_of_a_pose_only_the_box_is_read(
    labelled: None, put_text: PutText, open_data: OpenData
) -> None:
    put_text("set/data.yaml", "train: images/train\nkpt_shape: [2, 3]\nnames: [head]\n")
    put_text("set/labels/train/a.txt", "0 0.5 0.5 0.5 0.5 0.1 0.1 2 0 0 0\n")
    assert open_data(**SECTION).annotation(0).boxes.tolist() == [[15, 10, 45, 30]]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0 0.5 0.5 0.5", "is no class with a box"),
        ("head 0.5 0.5 0.5 0.5", "is no class with a box"),
        ("2 0.5 0.5 0.5 0.5", "is of class 2, which has no name"),
        ("0.5 0.5 0.5 0.5 0.5", r"is of class 0\.5, which has no name"),
        ("0 30 20 10 10", "is not in shares"),
        ("0 -0.5 0.5 0.5 0.5", "is not in shares"),
        ("0 0.5 0.5 0.5 0.5 0.9", "neither a box nor a polygon"),
    ],
)
def test_a_line_of_another_form_is_refused_and_listed_by_an_inspection(
    line: str, said: str, labelled: None, put_text: PutText, open_data: OpenData
) -> None:
    put_text("set/data.yaml", "train: images/train\nnames: [head]\n")
    put_text("set/labels/train/a.txt", f"0 0.5 0.5 0.5 0.5\n{line}\n")
    with pytest.raises(DataError, match=rf"a\.txt, line 2: .*{said}"):
        open_data(**SECTION)
    faults = Faults(keep=True)
    assert len(open_data(faults=faults, **SECTION).annotation(0)) == 1
    assert [(f.image, f.reason) for f in faults.found] == [
        ("images/train/a", "unreadable annotation")
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("names: [head]\n", "no split 'train'.*is missing; name a key of"),
        ("train: images/valid\nnames: [head]\n", "no split 'images/valid'"),
        ("train: images/train\n", "names no classes"),
        ("train: images/train\nnames: head\n", "names no classes"),
        ("train: images/train\nnames: [Head, hat]\n", "did you mean 'Head'"),
        ("- a\n", "must hold keys"),
        ("a: [\n", "not valid YAML"),
        ("train: images/empty\nnames: [head]\n", "is empty"),
    ],
)
def test_a_yaml_that_does_not_fit_is_refused(
    text: str,
    said: str,
    labelled: None,
    tmp_path: Path,
    put_text: PutText,
    open_data: OpenData,
) -> None:
    (tmp_path / "set/images/empty").mkdir()
    put_text("set/data.yaml", text)
    with pytest.raises(DataError, match=said):
        open_data(**SECTION)


def test_images_none_of_which_has_a_label_are_refused(
    put_image: PutImage, put_text: PutText, open_data: OpenData
) -> None:
    put_image("set/images/train/a.jpg")
    put_text("set/data.yaml", "train: images/train\nnames: [head]\n")
    with pytest.raises(DataError, match=r"none of the 1 images.*labels/train/a\.txt"):
        open_data(**SECTION)


def test_a_listed_image_that_is_missing_is_refused(
    labelled: None, put_text: PutText, open_data: OpenData
) -> None:
    put_text("set/data.yaml", "train: list.txt\nnames: [head, hat]\n")
    put_text("set/list.txt", "images/train/a.jpg\nimages/train/gone.jpg\n")
    with pytest.raises(DataError, match=r"1 of the 2 images.*gone\.jpg"):
        open_data(**SECTION)
