"""From the recipe's data section to an open dataset."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from ..errors import DataError
from ..recipe import Recipe
from ..recipe.data import (
    BrainwashData,
    CelebaData,
    CocoData,
    CrowdHumanData,
    DataSection,
    FaceListData,
    FacesData,
    FilesData,
    ImagesData,
    RetinaFaceData,
    ScenesData,
    ScutHeadData,
    VocData,
    WiderFaceData,
    YoloData,
)
from .annotated_files import AnnotatedFiles
from .brainwash import open_brainwash
from .coco import open_coco
from .crowdhuman import open_crowdhuman
from .face_lists import open_celeba, open_face_list
from .faults import Faults
from .images import ImageFolder
from .record import Dataset
from .retinaface import open_retinaface
from .scenes import Faces, Scenes
from .scut_head import open_scut_head
from .voc import open_voc
from .widerface import open_widerface
from .yolo import open_yolo

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
    return _open_files(data, data_root() / data.folder, part, faults or Faults())


def _open_files(data: FilesData, folder: Path, split: str, faults: Faults) -> AnnotatedFiles:
    match data:
        case VocData():
            return open_voc(data, folder, split, faults)
        case CocoData():
            return open_coco(data, folder, split, faults)
        case CrowdHumanData():
            return open_crowdhuman(data, folder, split, faults)
        case WiderFaceData():
            return open_widerface(data, folder, split, faults)
        case RetinaFaceData():
            return open_retinaface(data, folder, split, faults)
        case BrainwashData():
            return open_brainwash(data, folder, split, faults)
        case ScutHeadData():
            return open_scut_head(data, folder, split, faults)
        case YoloData():
            return open_yolo(data, folder, split, faults)
        case CelebaData():
            return open_celeba(data, folder, split, faults)
        case FaceListData():
            return open_face_list(data, folder, split, faults)


def open_calibration(recipe: Recipe) -> Dataset:
    """Open the images that calibration chooses from: the training split, or the folder it names.

    Raises DataError where they are missing.
    """
    folder = recipe.calibration.folder
    if folder:
        return ImageFolder(data_root() / folder, classes=recipe.classes)
    return open_split(recipe.data, "train")
