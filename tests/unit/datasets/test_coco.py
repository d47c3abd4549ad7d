"""COCO's JSON: ids with gaps, crowds, images without objects, and what the file gets wrong."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hexdet.datasets.faults import Faults
from hexdet.errors import DataError

from .conftest import OpenData, PutImage
from .test_formats import COCO

Change = Callable[[dict[str, Any]], None]


def annotation(image: int, category: int, box: list[float], **more: Any) -> dict[str, Any]:
    return {"id": 9, "image_id": image, "category_id": category, "bbox": box, "iscrowd": 0, **more}


@pytest.fixture
def write(tmp_path: Path, put_image: PutImage) -> Callable[[Change], Path]:
    """Return a function that writes the file after a change, and the images that it lists."""

    def make(change: Change) -> Path:
        content = copy.deepcopy(COCO)
        change(content)
        for image in content.get("images", ()):
            put_image(f"coco/train2017/{image['file_name']}")
        path = tmp_path / "coco" / "annotations" / "instances_train2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    return make


def many(content: dict[str, Any]) -> None:
    content["categories"] = [{"id": i, "name": n} for i, n in ((1, "person"), (90, "toothbrush"))]
    content["images"] += [
        {"id": 7, "file_name": "sub/b.jpg", "width": 60, "height": 40},
        {"id": 3, "file_name": "c.jpg"},
    ]
    rle = {"counts": [5, 7, 11], "size": [40, 60]}
    content["annotations"] += [
        annotation(7, 90, [1, 2, 3, 4], segmentation=[[1, 2, 4, 2, 4, 6]]),
        annotation(391895, 90, [0, 0, 60, 40], iscrowd=1, segmentation=rle),
        annotation(7, 1, [10, 10, 100, 100]),
        annotation(7, 1, [5, 5, 9, 9], ignore=1),
    ]


def test_ids_join_images_and_categories_and_crowds_are_ignored(
    write: Callable[[Change], Path], open_data: OpenData
) -> None:
    write(many)
    dataset = open_data(format="coco", classes=["toothbrush", "person"])
    assert [dataset[i].name for i in range(3)] == ["000000391895", "sub/b", "c"]
    first, second, third = (dataset.annotation(i) for i in range(3))
    assert first.labels.tolist() == [2, 1]
    assert first.ignore.tolist() == [False, True]
    assert second.labels.tolist() == [1, 2, 2]
    assert second.boxes.tolist() == [[1, 2, 4, 6], [10, 10, 60, 40], [5, 5, 14, 14]]
    assert second.ignore.tolist() == [False, False, True]
    assert len(third) == 0


def test_the_area_of_the_mask_stays_with_its_object(
    write: Callable[[Change], Path], open_data: OpenData
) -> None:
    def masks(content: dict[str, Any]) -> None:
        many(content)
        content["annotations"][-1]["area"] = 12.25
        content["annotations"][-2]["area"] = None

    write(many)
    before = open_data(format="coco", classes=["toothbrush", "person"])
    first_area = COCO["annotations"][0]["area"]
    np.testing.assert_array_equal(before.annotation(0).areas, [first_area, np.nan])
    assert before.annotation(1).areas is None and before.annotation(2).areas is None
    first = before.fingerprint()
    write(masks)
    dataset = open_data(format="coco", classes=["toothbrush", "person"])
    np.testing.assert_array_equal(dataset.annotation(1).areas, [np.nan, np.nan, 12.25])
    assert dataset.fingerprint() != first


def test_classes_that_the_recipe_leaves_out_are_counted(
    write: Callable[[Change], Path], open_data: OpenData
) -> None:
    write(many)
    (dropped,) = open_data(format="coco", classes=["person"]).dropped
    assert (dropped.image, dropped.reason) == ("000000391895", "unknown class")
    assert dropped.detail.startswith("toothbrush (2 objects in 2 images")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (["Person"], "names the class 'Person'.*did you mean 'person'"),
        (["person", "tooth brush"], "'tooth brush'.*did you mean 'toothbrush'"),
        (["zebra"], "'zebra', the classes of coco/train2017 are 'person', 'toothbrush'$"),
    ],
)
def test_a_class_that_the_file_does_not_have_is_refused(
    wanted: list[str], said: str, write: Callable[[Change], Path], open_data: OpenData
) -> None:
    write(many)
    with pytest.raises(DataError, match=said):
        open_data(format="coco", classes=wanted)


def broken(key: str, value: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        content["annotations"][0][key] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (broken("bbox", []), r"annotations\[0\]: bbox has 0 numbers"),
        (broken("category_id", 2), "of category 2, not listed"),
        (broken("image_id", 5), "of image 5, not listed"),
    ],
)
def test_an_annotation_that_fits_nothing_is_refused_and_listed_by_an_inspection(
    change: Change, said: str, write: Callable[[Change], Path], open_data: OpenData
) -> None:
    write(change)
    with pytest.raises(DataError, match=said):
        open_data(format="coco", classes=["person"])
    faults = Faults(keep=True)
    dataset = open_data(faults=faults, format="coco", classes=["person"])
    assert len(dataset.annotation(0)) == 0
    assert [f.reason for f in faults.found] == ["unreadable annotation"]


def twice(content: dict[str, Any]) -> None:
    content["images"] *= 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (broken("bbox", "abc"), r"got `str` - at `\$\.annotations\[0\]\.bbox`"),
        (broken("image_id", None), "image_id"),
        (twice, "two images have the id 391895"),
        (lambda content: content.pop("images"), "missing required field `images`"),
        (lambda content: content.update(images=[], annotations=[]), "is empty"),
    ],
)
def test_a_file_that_is_not_cocos_is_refused(
    change: Change, said: str, write: Callable[[Change], Path], open_data: OpenData
) -> None:
    write(change)
    with pytest.raises(DataError, match=said):
        open_data(format="coco", classes=["person"])


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_a_damaged_file_is_refused(
    content: bytes, write: Callable[[Change], Path], open_data: OpenData
) -> None:
    path = write(lambda content: None)
    path.write_bytes(content)
    with pytest.raises(DataError, match="are not COCO's JSON"):
        open_data(format="coco", classes=["person"])


def test_the_layout_can_be_another(
    tmp_path: Path, put_image: PutImage, open_data: OpenData
) -> None:
    put_image("set/train/000000391895.jpg")
    (tmp_path / "set/train/_annotations.coco.json").write_text(json.dumps(COCO))
    dataset = open_data(
        format="coco",
        folder="set",
        classes=["person"],
        annotations="{split}/_annotations.coco.json",
        train="train",
    )
    assert len(dataset[0].annotation) == 1
