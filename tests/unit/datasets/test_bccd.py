"""The real blood cells: as many images and objects as are known, and the two bad boxes listed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from hexdet.datasets.annotated_files import AnnotatedFiles
from hexdet.datasets.faults import Faults
from hexdet.datasets.opening import open_split
from hexdet.datasets.voc import open_voc
from hexdet.evaluation.inspection.counting import Subject, inspect_dataset
from hexdet.recipe import load_recipe
from hexdet.recipe.data import VocData
from hexdet.runtime.contract import InputSpec

pytestmark = pytest.mark.bccd

CLASSES = ("RBC", "WBC", "Platelets")


@pytest.fixture(scope="module")
def folder() -> Path:
    """The folder of the dataset, or a skip that says where it was looked for."""
    root = os.environ.get("HEXDET_DATA")
    if not root:
        pytest.skip("HEXDET_DATA is not set: it names the folder that holds bccd/BCCD")
    path = Path(root) / "bccd" / "BCCD"
    if not path.is_dir():
        pytest.skip(f"no BCCD images at {path}")
    return path


@pytest.fixture(scope="module")
def splits(folder: Path) -> dict[str, AnnotatedFiles]:
    """Every split, opened once."""
    data = VocData(format="voc", folder=str(folder), classes=CLASSES)
    return {
        split: open_voc(data, folder, split, Faults())
        for split in ("train", "val", "trainval", "test")
    }


@pytest.mark.parametrize(
    ("split", "images"), [("train", 205), ("val", 87), ("trainval", 292), ("test", 72)]
)
def test_images_of_each_split(split: str, images: int, splits: dict[str, AnnotatedFiles]) -> None:
    assert len(splits[split]) == images


def test_no_image_is_in_two_splits(splits: dict[str, AnnotatedFiles]) -> None:
    parts = {
        split: {dataset.image_path(index).stem for index in range(len(dataset))}
        for split, dataset in splits.items()
    }
    assert not parts["train"] & parts["val"]
    assert parts["train"] | parts["val"] == parts["trainval"]
    assert not parts["trainval"] & parts["test"]


def test_the_two_boxes_of_zero_area_are_dropped_and_listed(
    splits: dict[str, AnnotatedFiles],
) -> None:
    dropped = [d for split in ("train", "val", "test") for d in splits[split].dropped]
    assert sorted((d.image, d.reason) for d in dropped) == [
        ("BloodImage_00338", "zero area"),
        ("BloodImage_00343", "zero area"),
    ]


def test_objects_of_each_class(splits: dict[str, AnnotatedFiles]) -> None:
    counts: Counter[str] = Counter()
    for split in ("train", "val", "test"):
        dataset = splits[split]
        for index in range(len(dataset)):
            truth = dataset.annotation(index)
            counts.update(CLASSES[label - 1] for label in truth.labels.tolist())
        counts.update(d.detail.split()[0] for d in dataset.dropped)
    assert counts == {"RBC": 4155, "WBC": 372, "Platelets": 361}


def test_the_recipe_opens_it(folder: Path) -> None:
    dataset = open_split(load_recipe("bccd").data, "test")
    assert len(dataset) == 72
    record = dataset[0]
    assert record.image.shape == (480, 640, 3)
    assert len(record.annotation) > 0
    assert (record.annotation.boxes[:, 2:] <= (640, 480)).all()
    assert dataset.classes == CLASSES
    assert folder.name == "BCCD"


def test_an_inspection_finds_what_is_known_to_be_wrong(folder: Path) -> None:
    defects: list[tuple[str, str]] = []
    touching = 0
    for split in ("trainval", "test"):
        faults = Faults(keep=True)
        data = VocData(format="voc", folder=str(folder), classes=CLASSES)
        dataset = open_voc(data, folder, split, faults)
        subject = Subject(
            recipe="bccd", format="voc", split=split, input=InputSpec(width=300, height=300)
        )
        found, _ = inspect_dataset(dataset, subject, faults)
        defects += [(defect.kind, defect.image) for defect in found.defects]
        touching += found.touching_edge
        assert all("RBC" in defect.detail for defect in found.defects)
    assert [image for kind, image in defects if kind == "zero area"] == [
        "BloodImage_00338",
        "BloodImage_00343",
    ]
    assert Counter(kind for kind, _ in defects) == {"zero area": 2, "near-duplicate": 7}
    assert touching == 1131
