"""From looks at images to the figures and defects of an inspection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...datasets.annotated_files import AnnotatedFiles
from ...datasets.faults import Faults
from ...datasets.images import ImageFolder
from ...datasets.record import Dataset
from ...runtime.contract import InputSpec
from .looking import Look, Progress, look_at_all
from .schema import SCHEMA_VERSION, ClassCount, Defect, Histogram, ImageSize, Inspection, Shown
from .sheet import choose

QUANTILES = (1, 5, 25, 50, 75, 95, 99)
SIZE_STEPS = 3
"""Bins from one power of two to the next."""
SMALLEST_PX = 2.0
WIDEST_RATIO = 8.0
RATIO_BINS = 37
"""An odd number: squares are in the middle of one."""
MOST_BINS = 24
"""Of the boxes per image."""
SHOWN_SIZES = 12

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is inspected: a recipe's split, at the scale of its network."""

    recipe: str
    format: str
    split: str
    input: InputSpec


def inspect_dataset(
    dataset: Dataset,
    subject: Subject,
    faults: Faults,
    limit: int | None = None,
    progress: Progress = lambda done, total: None,
) -> tuple[Inspection, list[Look]]:
    """Look at a dataset's first `limit` images, or all, and count what they hold.

    faults: what was wrong with its files when it was opened. Returns the looks at the images of
    the contact sheet, too, in its order. Never fails because of a defect: it is listed.
    """
    count = len(dataset) if limit is None else min(limit, len(dataset))
    looks = list(look_at_all(dataset, subject.input, count, progress))
    defects = _defects(dataset, looks, faults, whole=count == len(dataset))
    usable = [look for look in looks if look.size is not None]
    sizes, ratios, labels = _geometry(usable)
    chosen = choose(usable, defects)
    inspection = Inspection(
        schema=SCHEMA_VERSION,
        recipe=subject.recipe,
        dataset=dataset.name,
        split=subject.split,
        format=subject.format,
        input_width=subject.input.width,
        input_height=subject.input.height,
        fit=subject.input.fit,
        images=count,
        images_available=len(dataset),
        unreadable=count - len(usable),
        empty=sum(not len(look.labels) for look in usable),
        objects=len(labels),
        ignored=sum(int(look.ignore.sum()) for look in usable),
        touching_edge=sum(look.touching for look in usable),
        classes=_class_counts(dataset.classes, usable),
        boxes_per_image=_per_image([len(look.labels) for look in usable]),
        sizes=_histogram(sizes, labels, dataset.classes, _size_edges(subject.input)),
        ratios=_histogram(ratios, labels, dataset.classes, _ratio_edges()),
        size_quantiles={str(q): float(np.percentile(sizes, q)) for q in QUANTILES if len(sizes)},
        image_sizes=_image_sizes(usable),
        defect_counts=dict(Counter(defect.kind for defect in defects)),
        defects=defects,
        sheet=[Shown(image=look.name, why=why) for look, why in chosen],
    )
    return inspection, [look for look, _ in chosen]


def _defects(
    dataset: Dataset, looks: Sequence[Look], faults: Faults, *, whole: bool
) -> list[Defect]:
    """List what is wrong: with files first, then image by image, then with classes."""
    seen = {look.name for look in looks}
    of_images = {defect.image for look in looks for defect in look.defects if look.size is None}
    listed = [
        Defect(kind=fault.reason, image=fault.image, detail=fault.detail)
        for fault in faults.found
        if not (fault.reason == "missing image" and fault.image in of_images)
        and (whole or fault.image in seen or not fault.image)
    ]
    # Not `dropped` of all where few are looked at: it reads the header of every image.
    items = (
        dataset.dropped_among(len(looks))
        if isinstance(dataset, AnnotatedFiles)
        else dataset.dropped
    )
    dropped = [Defect(kind=item.reason, image=item.image, detail=item.detail) for item in items]
    left_out = [defect for defect in dropped if defect.kind == "unknown class"]
    listed += [d for d in dropped if d.kind != "unknown class" and d.image in seen]
    listed += [defect for look in looks for defect in look.defects]
    held = {int(label) for look in looks for label in np.unique(look.labels)}
    absent = [
        Defect(kind="class without objects", image="", detail=f"{name} (none in this split)")
        for label, name in enumerate(dataset.classes, 1)
        if whole and label not in held and not isinstance(dataset, ImageFolder)
    ]
    return listed + absent + left_out


def _geometry(looks: Iterable[Look]) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Return size, height / width and label of every object that is not to be ignored."""
    sides = [look.sides[~look.ignore] for look in looks]
    labels = [look.labels[~look.ignore] for look in looks]
    every = np.concatenate([np.zeros((0, 2), np.float32), *sides]).astype(np.float64)
    return (
        np.sqrt(every[:, 0] * every[:, 1]),
        every[:, 1] / np.maximum(every[:, 0], 1e-9),
        np.concatenate([np.zeros(0, np.int64), *labels]),
    )


def _class_counts(classes: Sequence[str], looks: Sequence[Look]) -> list[ClassCount]:
    counts = []
    for label, name in enumerate(classes, 1):
        here = [(look.labels == label, look.ignore) for look in looks]
        counts.append(
            ClassCount(
                name=name,
                objects=sum(int((mine & ~ignore).sum()) for mine, ignore in here),
                ignored=sum(int((mine & ignore).sum()) for mine, ignore in here),
                images=sum(bool(mine.any()) for mine, _ in here),
            )
        )
    return counts


def _size_edges(spec: InputSpec) -> Floats:
    """Return borders in equal steps of the logarithm up to the network's whole input."""
    most = np.ceil(SIZE_STEPS * np.log2(max(spec.width, spec.height)))
    first = round(SIZE_STEPS * np.log2(SMALLEST_PX))
    return np.asarray(2.0 ** (np.arange(first, most + 1) / SIZE_STEPS))


def _ratio_edges() -> Floats:
    return np.geomspace(1 / WIDEST_RATIO, WIDEST_RATIO, RATIO_BINS + 1)


def _histogram(
    values: Floats, labels: npt.NDArray[np.int64], classes: Sequence[str], edges: Floats
) -> Histogram:
    counts = {}
    # The last border belongs to the last bin: a box may fill the whole input.
    inside = np.where(values == edges[-1], np.nextafter(edges[-1], 0), values)
    for label, name in enumerate(classes, 1):
        mine = inside[labels == label]
        found, _ = np.histogram(mine[(mine >= edges[0]) & (mine < edges[-1])], edges)
        counts[name] = found.tolist()
    return Histogram(
        edges=[round(float(edge), 4) for edge in edges],
        counts=counts,
        below=int((inside < edges[0]).sum()),
        above=int((inside >= edges[-1]).sum()),
    )


def _per_image(numbers: Sequence[int]) -> Histogram:
    """Return how many images hold so many boxes: single numbers, or equal ranges of many."""
    most = max(numbers, default=0)
    step = -(-(most + 1) // MOST_BINS)
    edges = np.arange(0, most + step + 1, step)
    counts, _ = np.histogram(numbers, edges - 0.5)
    return Histogram(edges=[float(edge) for edge in edges], counts={"all": counts.tolist()})


def _image_sizes(looks: Sequence[Look]) -> list[ImageSize]:
    found = Counter(look.size for look in looks if look.size is not None)
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [
        ImageSize(width=size[0], height=size[1], images=number)
        for size, number in ranked[:SHOWN_SIZES]
    ]
