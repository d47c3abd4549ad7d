"""From the recipe's data section to an open dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from ..errors import DataError
from ..recipe import Recipe
from ..recipe_data import DataSection, FacesData, ImagesData, ScenesData
from .faults import Faults
from .images import ImageFolder
from .record import Dataset
from .scenes import Faces, Scenes
from .voc import open_voc

Split = Literal["train", "val", "test"]


def data_root() -> Path:
    """Return the data folder: HEXDET_DATA, or `data` in the working directory."""
    return Path(os.environ.get("HEXDET_DATA") or "data")


def open_split(data: DataSection, split: Split, faults: Faults | None = None) -> Dataset:
    """Open one split of the recipe's dataset.

    faults: where single files that cannot be read are listed instead of refused. Raises DataError
    where the dataset is missing, with the address and the expected layout.
    """
    if isinstance(data, ScenesData):
        return Scenes(split=split, count=getattr(data, split), seed=data.seed)
    if isinstance(data, FacesData):
        return Faces(split=split, count=getattr(data, split), seed=data.seed)
    part = getattr(data, split)
    if not part:
        raise DataError(f"the recipe names no {split} images: set data.{split}")
    if isinstance(data, ImagesData):
        return ImageFolder(data_root() / part, classes=data.classes, address=data.address)
    folder = data_root() / data.folder
    return open_voc(data, folder, part, faults or Faults())


def open_calibration(recipe: Recipe) -> Dataset:
    """Open the images that calibration chooses from: the training split, or the folder it names.

    Raises DataError where they are missing.
    """
    folder = recipe.calibration.folder
    if folder:
        return ImageFolder(data_root() / folder, classes=recipe.classes)
    return open_split(recipe.data, "train")
