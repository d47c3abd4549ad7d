"""A dataset of small pictures, and the network's input that they are brought to."""

from __future__ import annotations

import numpy as np
import pytest

from hexdet.datasets.record import Annotation, Dropped, Record
from hexdet.runtime.contract import InputSpec


class Ramps:
    """A dataset of small pictures, each of another size."""

    classes: tuple[str, ...] = ("head",)

    def __init__(
        self, count: int = 5, shift: int = 0, name: str = "ramps/train", prefix: str = "ramp"
    ) -> None:
        self.dropped: list[Dropped] = []
        self.name = name
        self.read: list[int] = []
        self._count, self._shift, self._prefix = count, shift, prefix

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Record:
        self.read.append(index)
        height, width = 10 + index, 12 + 2 * index
        values = np.arange(height * width * 3) * (index + 1) + self._shift
        image = (values % 251).astype(np.uint8).reshape(height, width, 3)
        name = f"{self._prefix}-{index}"
        return Record(name=name, image=image, annotation=self.annotation(index))

    def annotation(self, index: int) -> Annotation:
        """Return `index` modulo 4 boxes, the larger the greater the index."""
        count = index % 4
        boxes = np.tile(np.array([0, 0, 1 + index, 1 + index], np.float32), (count, 1))
        return Annotation(
            boxes=boxes, labels=np.ones(count, np.int64), ignore=np.zeros(count, np.bool_)
        )

    def fingerprint(self) -> str:
        return str(self._shift)


@pytest.fixture
def ramps() -> type[Ramps]:
    return Ramps


@pytest.fixture
def spec() -> InputSpec:
    return InputSpec(width=8, height=6)
