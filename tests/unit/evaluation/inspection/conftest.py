"""A dataset of numbers and plain pictures, with every kind of trouble on demand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hexdet.datasets.record import Annotation, Dropped, Record
from hexdet.errors import DataError

Box = tuple[float, float, float, float]


def truth_of(
    boxes: Sequence[Box], labels: Sequence[int] | None = None, ignore: Sequence[bool] | None = None
) -> Annotation:
    """Return an annotation, of class 1 and not to be ignored where nothing is said."""
    return Annotation(
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        labels=np.asarray(labels if labels is not None else [1] * len(boxes), np.int64),
        ignore=np.asarray(ignore if ignore is not None else [False] * len(boxes), np.bool_),
    )


class Pictures:
    """One picture of 100 x 50 pixels for every truth; None stands for one that is damaged."""

    def __init__(
        self, truths: Sequence[Annotation | None], classes: tuple[str, ...] = ("head",)
    ) -> None:
        self.name = "pictures/train"
        self.classes = classes
        self.dropped: list[Dropped] = []
        self._truths = truths

    def __len__(self) -> int:
        return len(self._truths)

    def __getitem__(self, index: int) -> Record:
        truth = self._truths[index]
        if truth is None:
            raise DataError(f"the image p{index}.jpg is truncated: its end is missing")
        image: npt.NDArray[np.uint8] = np.full((50, 100, 3), 90, np.uint8)
        return Record(name=f"p{index}", image=image, annotation=truth)

    def annotation(self, index: int) -> Annotation:
        return self[index].annotation

    def fingerprint(self) -> str:
        return "0" * 64
