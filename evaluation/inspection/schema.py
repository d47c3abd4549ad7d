"""The classes of `inspect.json`: each is an object there, each field a key of the same name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from ...runtime.files import to_json, write_text

FILE_NAME = "inspect.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ClassCount:
    """One class of the recipe.

    objects: how many there are to learn; ignored: how many more are marked to be ignored; images:
    that hold any of them.
    """

    name: str
    objects: int
    ignored: int
    images: int


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts between borders.

    edges: n + 1 borders, ascending; a bin holds its lower border and not its upper one. counts: n
    numbers by class name, or by `all`. below, above: how many lie beyond the borders.
    """

    edges: list[float]
    counts: dict[str, list[int]]
    below: int = 0
    above: int = 0


@dataclass(frozen=True, kw_only=True)
class ImageSize:
    """How many images have this size in pixels."""

    width: int
    height: int
    images: int


@dataclass(frozen=True, kw_only=True)
class Defect:
    """Something wrong, with the image where it is (empty where it concerns the whole).

    kind: `zero area`, `outside the image`, `not finite`: annotations left out; `near-duplicate`:
    two boxes of one class with an IoU above 0.85, both kept; `unknown class`: a class that the
    recipe does not name; `class name`: a class of the recipe that the dataset spells differently
    or does not have; `class without objects`: in the whole split; `missing image`,
    `unreadable image`, `image size`, `missing annotation`, `unreadable annotation`: files.
    """

    kind: str
    image: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An image of the contact sheet, and why it is there."""

    image: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """The whole of `inspect.json`.

    recipe, dataset, split, format: what was looked at. input_width, input_height, fit: the
    network's scale. images: how many were looked at, of images_available; unreadable: of these
    could not be used; empty: hold no box at all. objects: to learn; ignored: boxes to be ignored;
    touching_edge: boxes of both kinds that reach the image's edge. boxes_per_image: of all usable
    images. sizes: sqrt(width * height) of the objects in pixels of the network's input; ratios:
    their height / width there. size_quantiles: of the sizes, by percentage. image_sizes: the most
    frequent first. defect_counts: by kind. sheet: the images of the contact sheet, row by row.
    """

    schema: int
    recipe: str
    dataset: str
    split: str
    format: str
    input_width: int
    input_height: int
    fit: str
    images: int
    images_available: int
    unreadable: int
    empty: int
    objects: int
    ignored: int
    touching_edge: int
    classes: list[ClassCount]
    boxes_per_image: Histogram
    sizes: Histogram
    ratios: Histogram
    size_quantiles: dict[str, float]
    image_sizes: list[ImageSize]
    defect_counts: dict[str, int]
    defects: list[Defect]
    sheet: list[Shown]

    def save(self, folder: Path) -> Path:
        """Write `inspect.json`; numbers that are not known are null."""
        return write_text(folder / FILE_NAME, to_json(dataclasses.asdict(self)))
