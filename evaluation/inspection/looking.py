"""Looking at every image of a dataset once: what each holds, and what is wrong with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ...datasets.annotated_files import AnnotatedFiles, ImageSizeError
from ...datasets.images import ImageFolder
from ...datasets.record import Annotation, Dataset
from ...errors import DataError
from ...runtime.boxes import iou
from ...runtime.contract import InputSpec
from ...runtime.placement import place
from .schema import Defect

DUPLICATE_IOU = 0.85
"""Two boxes of one class that overlap by more are one object annotated twice."""
EDGE_PX = 0.5
"""A box that ends nearer to the image's edge touches it."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What one image holds.

    size: (width, height) in pixels, None where it could not be used. labels, ignore: as in
    `Annotation`. sides: float32 [n, 2], width and height of each box in pixels of the network's
    input. touching: how many boxes touch the edge. duplicates: pairs of places of boxes.
    """

    index: int
    name: str
    size: tuple[int, int] | None
    labels: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    ignore: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    sides: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    touching: int = 0
    duplicates: tuple[tuple[int, int], ...] = ()
    defects: tuple[Defect, ...] = ()


def look_at_all(
    dataset: Dataset, spec: InputSpec, count: int, progress: Progress = lambda done, total: None
) -> Iterator[Look]:
    """Look at the first `count` images, in their order, on all cores.

    An image that cannot be used is a defect of its own look, whatever is wrong with it.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        looks = pool.map(lambda index: _look(dataset, index, spec), range(count))
        for done, look in enumerate(looks, 1):
            progress(done, count)
            yield look


def _look(dataset: Dataset, index: int, spec: InputSpec) -> Look:
    try:
        record = dataset[index]
    except DataError as error:
        name = _name(dataset, index)
        kind = _kind(dataset, index, error)
        defect = Defect(kind=kind, image=name, detail=str(error))
        return Look(index=index, name=name, size=None, defects=(defect,))
    truth = record.annotation
    height, width = record.image.shape[:2]
    placed = place(width, height, spec).to_input(truth.boxes)
    duplicates = near_duplicates(truth)
    return Look(
        index=index,
        name=record.name,
        size=(width, height),
        labels=truth.labels,
        ignore=truth.ignore,
        sides=placed[:, 2:] - placed[:, :2],
        touching=touching_edge(truth, width, height),
        duplicates=tuple((a, b) for a, b, _ in duplicates),
        defects=tuple(
            Defect(
                kind="near-duplicate",
                image=record.name,
                detail=f"{dataset.classes[int(truth.labels[a]) - 1]} {_box(truth, a)} and "
                f"{_box(truth, b)}: IoU {overlap:.3f}",
            )
            for a, b, overlap in duplicates
        ),
    )


def near_duplicates(truth: Annotation) -> list[tuple[int, int, float]]:
    """Return every pair of boxes of one class with an IoU above DUPLICATE_IOU, and that IoU."""
    overlaps = iou(truth.boxes, truth.boxes)
    same = truth.labels[:, None] == truth.labels[None, :]
    pairs = np.argwhere(np.triu(same & (overlaps > DUPLICATE_IOU), 1))
    return [(int(a), int(b), float(overlaps[a, b])) for a, b in pairs]


def touching_edge(truth: Annotation, width: int, height: int) -> int:
    """Return how many boxes reach the edge of an image of width x height pixels."""
    far = np.asarray([width, height], np.float32) - EDGE_PX
    touches = (truth.boxes[:, :2] < EDGE_PX).any(axis=1) | (truth.boxes[:, 2:] > far).any(axis=1)
    return int(touches.sum())


def _box(truth: Annotation, place: int) -> str:
    return str(tuple(round(float(value), 1) for value in truth.boxes[place]))


def _name(dataset: Dataset, index: int) -> str:
    if isinstance(dataset, AnnotatedFiles | ImageFolder):
        return dataset.image_name(index)
    return str(index)


def _kind(dataset: Dataset, index: int, error: DataError) -> str:
    if isinstance(error, ImageSizeError):
        return "image size"
    if isinstance(dataset, AnnotatedFiles | ImageFolder) and not dataset.image_path(index).exists():
        return "missing image"
    return "unreadable image"
