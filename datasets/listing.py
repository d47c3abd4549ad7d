"""What the annotation files of one split say, image by image, in columns of a few bytes a box."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .record import LANDMARKS

Box = tuple[float, float, float, float]

POINTS = 2 * len(LANDMARKS)
LARGEST_PX = 1 << 30
"""A side that is said to be longer is not believed."""


@dataclass(frozen=True, kw_only=True)
class Objects:
    """The objects of one image as they were written down, not yet cut to the image.

    boxes: float64 [n, 4], (x1, y1, x2, y2) in pixels, or in shares of the image's sides.
    classes: int32 [n], indices into `Listing.classes`. ignore: bool [n].
    landmarks: float32 [n, 5, 2] in the unit of the boxes, NaN where not known; None where the
        whole listing has none.
    areas: float64 [n] in square pixels, NaN where not stated; None where the listing has none.
    """

    boxes: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int32]
    ignore: npt.NDArray[np.bool_]
    landmarks: npt.NDArray[np.float32] | None
    areas: npt.NDArray[np.float64] | None


class Listing:
    """Images and their objects, added in the dataset's order: 100,000 images take a few MB."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.paths: list[str] = []
        """Of each image's file, relative to the dataset's folder, or absolute."""
        self.classes: dict[str, int] = {}
        """Index of each class name, in the order of their first appearance."""
        self._sides = array("i")
        self._boxes = array("d")
        self._classes = array("i")
        self._ignore = array("b")
        self._landmarks = array("f")
        self._areas = array("d")
        self._starts = array("q")

    def __len__(self) -> int:
        return len(self.names)

    def add_image(self, name: str, path: str, size: tuple[int, int] | None = None) -> None:
        """Add an image; size: (width, height) in pixels, where its annotation states it."""
        self.names.append(name)
        # No file's name holds a zero byte, and the system's calls fail on one in their own way.
        self.paths.append(path.replace("\0", "\N{REPLACEMENT CHARACTER}"))
        width, height = size or (0, 0)
        known = 0 < width <= LARGEST_PX and 0 < height <= LARGEST_PX
        self._sides.extend((width, height) if known else (0, 0))
        self._starts.append(len(self._ignore))

    def add_object(
        self,
        box: Box,
        name: str,
        *,
        ignore: bool = False,
        landmarks: list[float] | None = None,
        area: float | None = None,
    ) -> None:
        """Add an object to the last image.

        box: (x1, y1, x2, y2); name: of its class; landmarks: x, y of the five points in the order
        of LANDMARKS, NaN where one is not known; area: in square pixels, where it is stated.
        """
        if landmarks is not None:
            missing = len(self._ignore) * POINTS - len(self._landmarks)
            self._landmarks.extend([float("nan")] * missing + landmarks)
        if area is not None:
            missing = len(self._ignore) - len(self._areas)
            self._areas.extend([*[float("nan")] * missing, area])
        self._boxes.extend(box)
        self._classes.append(self.classes.setdefault(name, len(self.classes)))
        self._ignore.append(ignore)

    def size(self, index: int) -> tuple[int, int] | None:
        """Return (width, height) of image `index` as its annotation states it, None if it does not.

        Some tools write 0 for what they do not know.
        """
        width, height = self._sides[2 * index], self._sides[2 * index + 1]
        return (width, height) if width else None

    def objects(self, index: int) -> Objects:
        """Return the objects of image `index`."""
        start = self._starts[index]
        end = self._starts[index + 1] if index + 1 < len(self._starts) else len(self._ignore)
        landmarks = areas = None
        if self._landmarks:
            flat = _cut(self._landmarks, start * POINTS, end * POINTS)
            landmarks = flat.astype(np.float32).reshape(-1, len(LANDMARKS), 2)
        if self._areas:
            areas = _cut(self._areas, start, end)
        return Objects(
            boxes=np.asarray(self._boxes[4 * start : 4 * end], np.float64).reshape(-1, 4),
            classes=np.asarray(self._classes[start:end], np.int32),
            ignore=np.asarray(self._ignore[start:end], np.bool_),
            landmarks=landmarks,
            areas=areas,
        )

    def counts(self) -> dict[str, int]:
        """Return how many objects there are of each class."""
        counts = np.bincount(np.asarray(self._classes, np.int64), minlength=len(self.classes))
        return {name: int(counts[index]) for name, index in self.classes.items()}

    def images_of(self, name: str) -> npt.NDArray[np.int64]:
        """Return the indices of the images that hold an object of a class, ascending."""
        places = np.flatnonzero(np.asarray(self._classes) == self.classes[name])
        found = np.searchsorted(np.asarray(self._starts), places, side="right") - 1
        return np.unique(found).astype(np.int64)


def _cut(values: array[float], start: int, end: int) -> npt.NDArray[np.float64]:
    """Return a stretch of a column; it may end early, for what follows is not known: NaN."""
    known = np.asarray(values[start:end], np.float64)
    return np.append(known, np.full(end - start - len(known), np.nan))
