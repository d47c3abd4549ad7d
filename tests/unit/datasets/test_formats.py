"""What all formats of files have in common: address and layout of a missing dataset, refusals of
what is missing or damaged, fingerprints that see every change."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hexdet.datasets.faults import Faults
from hexdet.errors import DataError

from .conftest import HEIGHT, WIDTH, OpenData, PutImage

ODGT = {
    "ID": "273271,c9db000d5146c15",
    "gtboxes": [
        {
            "tag": "person",
            "fbox": [4, 5, 20, 30],
            "vbox": [4, 5, 20, 20],
            "hbox": [10, 6, 8, 9],
            "extra": {"box_id": 0, "occ": 0},
            "head_attr": {"ignore": 0, "occ": 0, "unsure": 0},
        }
    ],
}
COCO = {
    "info": {"year": 2017},
    "licenses": [],
    "images": [{"id": 391895, "file_name": "000000391895.jpg", "width": WIDTH, "height": HEIGHT}],
    "annotations": [
        {
            "id": 1,
            "image_id": 391895,
            "category_id": 1,
            "bbox": [4.0, 5.0, 20.0, 30.0],
            "area": 600.0,
            "iscrowd": 0,
            "segmentation": [[4, 5, 24, 5, 24, 35]],
        }
    ],
    "categories": [{"id": 1, "name": "person", "supercategory": "person"}],
}
VOC = (
    "<annotation><size><width>60</width><height>40</height><depth>3</depth></size><object>"
    "<name>{}</name><bndbox><xmin>5</xmin><ymin>6</ymin><xmax>24</xmax><ymax>35</ymax></bndbox>"
    "</object></annotation>"
)

# Of each format: the data section, the image's file, the annotation's file and its content, and
# the same truth with another box. The box is (4, 5, 24, 35) in all of them.
FORMATS: dict[str, tuple[dict[str, Any], str, dict[str, str], tuple[str, str]]] = {
    "voc": (
        {"folder": "voc", "classes": ["head"], "address": "https://example.org/voc"},
        "voc/JPEGImages/a.jpg",
        {"voc/Annotations/a.xml": VOC.format("head"), "voc/ImageSets/Main/trainval.txt": "a\n"},
        ("<xmax>24", "<xmax>25"),
    ),
    "coco": (
        {"classes": ["person"]},
        "coco/train2017/000000391895.jpg",
        {"coco/annotations/instances_train2017.json": json.dumps(COCO)},
        ("[4.0, 5.0, 20.0", "[4.0, 5.0, 21.0"),
    ),
    "crowdhuman": (
        {"boxes": "full"},
        "crowdhuman/Images/273271,c9db000d5146c15.jpg",
        {"crowdhuman/annotation_train.odgt": json.dumps(ODGT) + "\n"},
        ("[4, 5, 20, 30]", "[4, 5, 21, 30]"),
    ),
    "widerface": (
        {},
        "widerface/WIDER_train/images/0--Parade/0_Parade_marchingband_1_849.jpg",
        {
            "widerface/wider_face_split/wider_face_train_bbx_gt.txt": (
                "0--Parade/0_Parade_marchingband_1_849.jpg\n1\n4 5 20 30 0 0 0 0 0 0 \n"
            )
        },
        ("4 5 20 30", "4 5 21 30"),
    ),
    "retinaface": (
        {},
        "retinaface/train/images/0--Parade/0_Parade_marchingband_1_849.jpg",
        {
            "retinaface/train/label.txt": (
                "# 0--Parade/0_Parade_marchingband_1_849.jpg\n4 5 20 30 9.5 12.5 0.0 19.0 12.0 0.0 "
                "14.0 18.0 1.0 10.0 25.0 0.0 18.0 25.0 0.0 0.82\n"
            )
        },
        ("9.5 12.5", "9.0 12.5"),
    ),
    "brainwash": (
        {},
        "brainwash/brainwash_10_27_2014_images/00000000_640x480.png",
        {
            "brainwash/brainwash_train.idl": (
                '"brainwash_10_27_2014_images/00000000_640x480.png": (4.0, 5.0, 24.0, 35.0);\n'
            )
        },
        ("24.0, 35.0", "25.0, 35.0"),
    ),
    "scut_head": (
        {"parts": "A"},
        "SCUT-HEAD/SCUT_HEAD_Part_A/JPEGImages/PartA_00000.jpg",
        {
            "SCUT-HEAD/SCUT_HEAD_Part_A/Annotations/PartA_00000.xml": VOC.format("person"),
            "SCUT-HEAD/SCUT_HEAD_Part_A/ImageSets/Main/trainval.txt": "PartA_00000\n",
        },
        ("<xmax>24", "<xmax>25"),
    ),
    "yolo": (
        {"folder": "yolo", "classes": ["head"], "address": "https://example.org/yolo"},
        "yolo/images/train/a.jpg",
        {
            "yolo/labels/train/a.txt": f"1 {14 / 60} {20 / 40} {20 / 60} {30 / 40}\n",
            "yolo/data.yaml": "path: .\ntrain: images/train\nnames: {0: person, 1: head}\n",
        },
        (f"1 {14 / 60}", f"1 {15 / 60}"),
    ),
    "celeba": (
        {},
        "celeba/img_celeba/000001.jpg",
        {
            "celeba/Anno/list_bbox_celeba.txt": (
                "1\nimage_id x_1 y_1 width height\n000001.jpg    4   5  20  30\n"
            ),
            "celeba/Anno/list_landmarks_celeba.txt": (
                "1\nlefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x "
                "leftmouth_y rightmouth_x rightmouth_y \n000001.jpg 9  12  19   12  14  18  10  25"
                "  18  25\n"
            ),
            "celeba/Eval/list_eval_partition.txt": "000001.jpg 0\n",
        },
        ("4   5  20", "4   5  21"),
    ),
    "face_list": (
        {"folder": "faces"},
        "faces/lfw_5590/Aaron_Eckhart_0001.jpg",
        {
            "faces/trainImageList.txt": (
                "lfw_5590\\Aaron_Eckhart_0001.jpg 4 24 5 35 9.500000 12.000000 19.000000 12.000000 "
                "14.000000 18.000000 10.000000 25.000000 18.000000 25.000000\n"
            )
        },
        ("Aaron_Eckhart_0001.jpg 4 24", "Aaron_Eckhart_0001.jpg 4 25"),
    ),
}
NAMES = sorted(FORMATS)


@pytest.fixture
def lay_out(
    put_image: PutImage, put_text: Callable[[str, str], Path]
) -> Callable[[str], tuple[dict[str, Any], Path, dict[str, Path]]]:
    """Return a function that writes one format's dataset of one image with one box."""

    def make(name: str) -> tuple[dict[str, Any], Path, dict[str, Path]]:
        section, image, texts, _ = FORMATS[name]
        files = {path: put_text(path, text) for path, text in texts.items()}
        return {"format": name, **section}, put_image(image), files

    return make


LayOut = Callable[[str], tuple[dict[str, Any], Path, dict[str, Path]]]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_box_is_read_from_every_format(
    name: str, lay_out: LayOut, open_data: OpenData
) -> None:
    section, _, _ = lay_out(name)
    dataset = open_data(**section)
    record = dataset[0]
    assert len(dataset) == 1
    assert record.image.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(record.annotation.boxes, [[4, 5, 24, 35]], atol=1e-4)
    assert record.annotation.labels.tolist() == [1]
    assert record.annotation.ignore.tolist() == [False]
    assert dataset.annotation(0) is record.annotation
    assert dataset.dropped == []
    has_points = name in ("retinaface", "celeba", "face_list")
    assert (record.annotation.landmarks is not None) == has_points
    if has_points:
        np.testing.assert_allclose(record.annotation.points()[0, 1], (19, 12))
    with pytest.raises(IndexError):
        dataset[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_dataset_is_refused_with_address_and_layout(
    name: str, open_data: OpenData
) -> None:
    section, image, _, _ = FORMATS[name]
    with pytest.raises(DataError, match="HEXDET_DATA") as caught:
        open_data(format=name, **section)
    said = str(caught.value)
    assert "get it from http" in said
    assert "expected layout" in said
    assert image.split("/")[0] in said


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_image_is_refused_when_the_dataset_is_opened_and_listed_by_an_inspection(
    name: str, lay_out: LayOut, open_data: OpenData
) -> None:
    section, image, _ = lay_out(name)
    image.unlink()
    if name != "yolo":  # it lists the images that are there
        with pytest.raises(DataError, match=re.escape(str(image))) as caught:
            open_data(**section)
        assert "1 of the 1 images" in str(caught.value)
        faults = Faults(keep=True)
        assert len(open_data(faults=faults, **section)) == 1
        assert [(f.reason, str(image) in f.detail) for f in faults.found] == [
            ("missing image", True)
        ]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_that_vanishes_is_a_data_error_of_its_index(
    name: str, lay_out: LayOut, open_data: OpenData
) -> None:
    section, image, _ = lay_out(name)
    dataset = open_data(**section)
    image.unlink()
    with pytest.raises(DataError, match=re.escape(str(image))):
        dataset[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_damaged_image_is_a_data_error_of_its_index(
    name: str, lay_out: LayOut, open_data: OpenData
) -> None:
    section, image, _ = lay_out(name)
    image.write_bytes(b"no image at all")
    dataset = open_data(**section)
    with pytest.raises(DataError, match=re.escape(str(image))):
        dataset[0]
    assert isinstance(dataset.dropped, list)  # passes over what it cannot read


@pytest.mark.parametrize("name", NAMES)
def test_the_fingerprint_sees_every_byte_of_the_image_and_every_number_of_the_truth(
    name: str, lay_out: LayOut, open_data: OpenData
) -> None:
    section, image, files = lay_out(name)
    before = open_data(**section).fingerprint()
    assert open_data(**section).fingerprint() == before
    content = image.read_bytes()
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1  # the same size, somewhere in the middle
    image.write_bytes(changed)
    assert open_data(**section).fingerprint() != before
    image.write_bytes(content)
    assert open_data(**section).fingerprint() == before
    old, new = FORMATS[name][3]
    for path in files.values():
        path.write_text(path.read_text().replace(old, new))
    assert open_data(**section).fingerprint() != before


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("coco",)])
def test_an_empty_split_is_refused(name: str, lay_out: LayOut, open_data: OpenData) -> None:
    section, image, files = lay_out(name)
    if name == "yolo":
        image.unlink()
    listed = [p for p in files.values() if p.suffix in (".txt", ".odgt", ".idl")]
    for path in listed:
        path.write_text("\n")
    with pytest.raises(DataError, match=r"empty|no image"):
        open_data(**section)


def test_a_split_that_the_recipe_does_not_name_is_refused(open_data: OpenData) -> None:
    with pytest.raises(DataError, match=r"set data\.val"):
        open_data("val", format="images", classes=["head"], train="a", test="b")


def test_an_image_of_another_size_than_annotated_is_refused(
    lay_out: LayOut, open_data: OpenData, put_image: PutImage
) -> None:
    section, _, _ = lay_out("voc")
    put_image("voc/JPEGImages/a.jpg", 30, 20)
    dataset = open_data(**section)
    with pytest.raises(DataError, match="has 30 x 20 pixels, but its annotation was made for 60 x"):
        dataset[0]
    put_image("voc/JPEGImages/a.jpg", HEIGHT, WIDTH)
    with pytest.raises(DataError, match="60 x 40, as it lies without its EXIF orientation"):
        dataset[0]


def test_a_size_of_zero_is_read_from_the_image(lay_out: LayOut, open_data: OpenData) -> None:
    section, _, files = lay_out("voc")
    path = files["voc/Annotations/a.xml"]
    path.write_text(path.read_text().replace(">60<", ">0<").replace(">40<", ">0<"))
    dataset = open_data(**section)
    np.testing.assert_array_equal(dataset.annotation(0).boxes, [[4, 5, 24, 35]])
    assert len(dataset[0].annotation) == 1
