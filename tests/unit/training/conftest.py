"""What the training's tests share: one core, and recipes and data small enough for seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from hexdet.datasets.record import Annotation, Dropped, Record
from hexdet.recipe import Recipe, load_recipe

Overrides = Callable[..., Recipe]


class Squares:
    """A dataset without files or rendering: bright squares on noise, one to three an image."""

    name = "squares"
    classes: tuple[str, ...] = ("head",)

    def __init__(self, count: int) -> None:
        self.dropped: list[Dropped] = []
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < self._count:
            raise IndexError(index)
        rng = np.random.default_rng(index)
        image = rng.integers(0, 60, (96, 128, 3)).astype(np.uint8)
        corners = rng.integers(0, 64, (int(rng.integers(1, 4)), 2))
        boxes = np.concatenate([corners, corners + 24], axis=1).astype(np.float32)
        for x1, y1, x2, y2 in boxes.astype(int):
            image[y1:y2, x1:x2] = 230
        truth = Annotation(
            boxes=boxes, labels=np.ones(len(boxes), np.int64), ignore=np.zeros(len(boxes), np.bool_)
        )
        return Record(name=f"squares-{index}", image=image, annotation=truth)

    def annotation(self, index: int) -> Annotation:
        return self[index].annotation

    def fingerprint(self) -> str:
        return f"squares-{self._count}"


@pytest.fixture(scope="module", autouse=True)
def one_core() -> Iterator[None]:
    """Keep torch and OpenCV on one core, and give them their threads back afterwards."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


@pytest.fixture(scope="session")
def squares() -> Callable[[int], Squares]:
    """Return the maker of a dataset of bright squares."""
    return Squares


@pytest.fixture(scope="session")
def tiny_recipe() -> Overrides:
    """Return a function that gives the recipe `heads`, shrunk, with overrides by dotted name."""

    def make(overrides: dict[str, Any] | None = None) -> Recipe:
        values: dict[str, Any] = {
            "data.train": 8,
            "data.val": 2,
            "network.width": 96,
            "network.height": 96,
            "training.batch_size": 4,
            "training.epochs": 2,
            "training.workers": 0,
            "training.precision": "float32",
            "training.validate_every": 1,
            **(overrides or {}),
        }
        return load_recipe("heads", [f"{key}={value}" for key, value in values.items()])

    return make
