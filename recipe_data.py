"""The recipe's data section: which annotated images, in which format."""

from __future__ import annotations

from typing import Annotated, Literal, Union

from pydantic import Field

from .recipe_section import Section


class ScenesData(Section):
    """The built-in renderer: seeded, no files. The numbers are counts of scenes."""

    format: Literal["scenes"] = "scenes"
    seed: int = 0
    train: int = Field(4000, ge=1)
    val: int = Field(100, ge=1)
    test: int = Field(200, ge=1)


FACE_CLASSES = ("face", "partial")


class FacesData(Section):
    """The built-in renderer's faces with five landmarks: seeded, no files; counts of pictures.

    The classes are `face`, and `partial` for one of which less than 0.4 is visible.
    """

    format: Literal["faces"]
    seed: int = Field(0, ge=0)
    train: int = Field(2000, ge=1)
    val: int = Field(100, ge=1)
    test: int = Field(200, ge=1)

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the class names without the background."""
        return FACE_CLASSES


class VocData(Section):
    """A dataset in PASCAL VOC layout; train, val and test name files of ImageSets/Main.

    `all` is every annotated image, where there is no file of that name.
    """

    format: Literal["voc"]
    folder: str
    """Relative to HEXDET_DATA, or absolute."""
    classes: tuple[str, ...] = Field(min_length=1)
    train: str = "trainval"
    val: str = "val"
    test: str = "test"
    address: str = ""
    """Where the data can be had: shown when the folder is missing."""


class ImagesData(Section):
    """Folders of images without annotations: enough to calibrate and to compare, not to score."""

    format: Literal["images"]
    classes: tuple[str, ...] = Field(min_length=1)
    train: str
    """Folder of the calibration images, relative to HEXDET_DATA, or absolute; likewise the rest."""
    test: str
    val: str = ""
    address: str = ""


DATA_FORMATS: dict[str, type[Section]] = {
    "scenes": ScenesData,
    "faces": FacesData,
    "voc": VocData,
    "images": ImagesData,
}
DataSection = Annotated[
    Union[ScenesData, FacesData, VocData, ImagesData], Field(discriminator="format")
]
