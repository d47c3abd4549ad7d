"""From the recipe's data section to an open dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from ..recipe import Recipe
from ..recipe_data import DataSection, ImagesData, ScenesData
from .images import ImageFolder
from .record import Dataset
from .scenes import Scenes
from .voc import VocDataset

Split = Literal["train", "val", "test"]


def data_root() -> Path:
    """Return the data folder: HEXDET_DATA, or `data` in the working directory."""
    return Path(os.environ.get("HEXDET_DATA") or "data")


def open_split(data: DataSection, split: Split) -> Dataset:
    """Open one split of the recipe's dataset.

    Raises DataError where it is missing, with the address and the expected layout.
    """
    if isinstance(data, ScenesData):
        return Scenes(split=split, count=getattr(data, split), seed=data.seed)
    if isinstance(data, ImagesData):
        return ImageFolder(
            data_root() / getattr(data, split), classes=data.classes, address=data.address
        )
    return VocDataset(
        data_root() / data.folder,
        split=getattr(data, split),
        classes=data.classes,
        address=data.address,
    )


def open_calibration(recipe: Recipe) -> Dataset:
    """Open the images that calibration chooses from: the training split, or the folder it names.

    Raises DataError where they are missing.
    """
    folder = recipe.calibration.folder
    if folder:
        return ImageFolder(data_root() / folder, classes=recipe.classes)
    return open_split(recipe.data, "train")
