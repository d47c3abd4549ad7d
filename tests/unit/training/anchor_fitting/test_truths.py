"""Objects come at the network's scale, placed as images are, without what is marked ignore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from hexdet.datasets.opening import open_split
from hexdet.datasets.record import Annotation, Dataset, Dropped, Record
from hexdet.errors import DataError
from hexdet.recipe import AugmentSection, Recipe, TrainingSection
from hexdet.recipe.data import VocData
from hexdet.runtime.anchors import all_anchors
from hexdet.runtime.contract import InputSpec
from hexdet.training.anchor_fitting.truths import collect
from hexdet.training.contract import contract_of
from hexdet.training.loading import EpochBatches, TrainingSamples
from hexdet.training.matching import match

STRETCH = InputSpec(width=100, height=100)
LETTERBOX = InputSpec(width=100, height=100, fit="letterbox")
SECTION = TrainingSection(seed=3)
UNCHANGED = TrainingSection(augment=AugmentSection(crop=0, expand=0, flip=0, vertical_flip=0))


class Frames:
    """Images of 200 x 50 pixels, each with one object, one region to ignore, and then an empty."""

    name = "frames"
    classes: tuple[str, ...] = ("head",)
    dropped: tuple[Dropped, ...] = ()

    def __init__(self, count: int = 3) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Record:
        boxes = np.asarray([(20, 10, 60, 30), (100, 0, 120, 50)], np.float32)
        truth = Annotation(
            boxes=boxes,
            labels=np.asarray([1, 1]),
            ignore=np.asarray([False, True]),
        )
        truth = Annotation.empty() if index == self.count - 1 else truth
        image = np.full((50, 200, 3), index, np.uint8)
        return Record(name=str(index), image=image, annotation=truth)

    def annotation(self, index: int) -> Annotation:
        return self[index].annotation

    def fingerprint(self) -> str:
        return str(self.count)


@pytest.mark.parametrize(
    ("spec", "box"),
    [(STRETCH, (10, 20, 30, 60)), (LETTERBOX, (10, 42, 30, 52))],
    ids=["stretch", "letterbox"],
)
@pytest.mark.parametrize("samples", [0, 3], ids=["annotated", "unchanged samples"])
def test_boxes_lie_where_the_network_sees_them(
    spec: InputSpec, box: tuple[float, ...], samples: int
) -> None:
    found = collect(Frames(), spec, UNCHANGED, samples=samples)
    assert (found.augmented is None) == (samples == 0)
    for truths in (found.annotated, found.fitted):
        order = np.argsort(truths.image)
        np.testing.assert_allclose(truths.boxes, [box] * 2, atol=1e-4)
        assert truths.image[order].tolist() == [0, 1]
        assert truths.labels.tolist() == [1, 1]
        assert (truths.images, truths.ignored) == (3, 2)
        np.testing.assert_allclose(truths.sizes[0], (box[2] - box[0], box[3] - box[1]), atol=1e-4)


def test_samples_are_the_same_every_time_and_those_of_the_seed() -> None:
    first, again = (collect(Frames(9), STRETCH, SECTION, samples=20) for _ in range(2))
    np.testing.assert_array_equal(first.fitted.boxes, again.fitted.boxes)
    assert first.fitted.images == 20 and first.annotated.images == 9
    assert len({tuple(box) for box in first.fitted.boxes.tolist()}) > 5
    other = TrainingSection(seed=4)
    changed = collect(Frames(9), STRETCH, other, samples=20).fitted.boxes
    assert changed.tolist() != first.fitted.boxes.tolist()


def test_samples_are_those_that_training_begins_with(
    squares: Callable[[int], Dataset], tiny_recipe: Callable[..., Recipe]
) -> None:
    recipe = tiny_recipe()
    contract = contract_of(recipe)
    dataset = squares(5)
    section = recipe.training
    key = next(iter(EpochBatches(len(dataset), 1, section.seed)))[0]
    learnt = TrainingSamples(dataset, contract, section)[key]
    truths = collect(dataset, contract.input, section, samples=1).fitted
    targets = match(
        Annotation(
            boxes=truths.boxes, labels=truths.labels, ignore=np.zeros(len(truths.boxes), np.bool_)
        ),
        all_anchors(contract),
        contract.variances,
        match_iou=section.match_iou,
        ignore_iou=section.ignore_iou,
    )
    assert truths.ignored == 0, "else the labels differ where the region is"
    np.testing.assert_array_equal(targets.labels, learnt[1])


def test_a_limit_counts_images() -> None:
    assert collect(Frames(5), STRETCH, SECTION, samples=0, limit=2).annotated.images == 2
    limited = collect(Frames(50), STRETCH, SECTION, samples=30, limit=4)
    assert set(limited.fitted.image.tolist()) <= {0, 1, 2, 3}
    assert limited.fitted.images == 30


def test_progress_is_told() -> None:
    steps: list[tuple[int, int]] = []
    for samples in (0, 3):
        collect(
            Frames(), STRETCH, SECTION, samples=samples, progress=lambda *step: steps.append(step)
        )
    assert steps == [(1, 3), (2, 3), (3, 3)] * 2


@pytest.mark.parametrize("samples", [0, 4])
@pytest.mark.parametrize("count", [0, 1], ids=["no image", "no object"])
def test_a_split_without_an_object_is_refused(count: int, samples: int) -> None:
    with pytest.raises(DataError, match="frames: no annotated object in the"):
        collect(Frames(count), STRETCH, SECTION, samples=samples)


def test_files_tell_their_size_without_being_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (tmp_path / name).mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "JPEGImages/a.jpg"), np.zeros((50, 200, 3), np.uint8))
    (tmp_path / "ImageSets/Main/train.txt").write_text("a\n")
    (tmp_path / "Annotations/a.xml").write_text(
        "<annotation><size><width>200</width><height>50</height></size><object><name>head</name>"
        "<bndbox><xmin>21</xmin><ymin>11</ymin><xmax>60</xmax><ymax>30</ymax></bndbox></object>"
        "</annotation>"
    )
    section = VocData(format="voc", folder=str(tmp_path), classes=("head",), train="train")
    dataset = open_split(section, "train")
    expected = collect(dataset, LETTERBOX, UNCHANGED, samples=1).annotated
    monkeypatch.setattr(cv2, "imdecode", None)
    found = collect(dataset, LETTERBOX, UNCHANGED, samples=0).annotated
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_allclose(found.boxes, [(10, 42, 30, 52)], atol=1e-4)
