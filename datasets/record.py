"""The record: one annotated image, as every dataset reader yields it and every stage reads it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..runtime.contract import LANDMARKS as LANDMARKS

MIRRORED_LANDMARKS = (1, 0, 2, 4, 3)
"""Which point of a mirrored face stands at each place: left and right change names."""


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """An annotation that was left out, and why: it is listed, never silently lost."""

    image: str
    reason: str
    """One of 'zero area', 'outside the image', 'unknown class', 'not finite'; of a file that cannot
    be used 'missing image', 'missing annotation', 'unreadable annotation', 'class name'."""
    detail: str


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """The truth of one image.

    boxes: float32 [n, 4], (x1, y1, x2, y2) in pixels of the image, inside it, of positive area.
    labels: int64 [n], class indices starting at 1; 0 is the background.
    ignore: bool [n]; a detection on such a box counts neither as hit nor as false alarm, and
        training takes no loss from it.
    landmarks: float32 [n, 5, 2], (x, y) in pixels of the image (not clipped to it) in the order
        of LANDMARKS, NaN where a point is not known; None where no box has any.
    areas: float64 [n], of the object itself in square pixels, as the annotation states it (COCO's:
        of its mask), NaN where it does not; None where it does of none.
    """

    boxes: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    ignore: npt.NDArray[np.bool_]
    landmarks: npt.NDArray[np.float32] | None = None
    areas: npt.NDArray[np.float64] | None = None

    @classmethod
    def empty(cls) -> Annotation:
        """Return the truth of an image without objects."""
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            labels=np.zeros(0, np.int64),
            ignore=np.zeros(0, np.bool_),
        )

    def __len__(self) -> int:
        return len(self.boxes)

    def points(self) -> npt.NDArray[np.float32]:
        """Return float32 [n, 5, 2], the landmarks, all NaN where none are known."""
        if self.landmarks is None:
            return np.full((len(self), len(LANDMARKS), 2), np.nan, np.float32)
        return self.landmarks


@dataclass(frozen=True, kw_only=True)
class Record:
    """One annotated image.

    image: uint8 [height, width, 3], BGR as OpenCV reads it.
    """

    name: str
    image: npt.NDArray[np.uint8]
    annotation: Annotation


class Dataset(Protocol):
    """A fixed sequence of records, read one at a time, from several threads if need be."""

    name: str
    classes: tuple[str, ...]
    """Class names without the background, in the order of the labels (label 1 first)."""

    @property
    def dropped(self) -> list[Dropped]:
        """The annotations that were left out; to know them all may mean to look at every image."""
        ...

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def __getitem__(self, index: int) -> Record:
        """Read, or render, image `index` with its annotation; IndexError past the end."""
        ...

    def annotation(self, index: int) -> Annotation:
        """Return the truth of image `index` without decoding its pixels, where that is cheaper."""
        ...

    def fingerprint(self) -> str:
        """Return a sha256 that changes whenever the images or their truth change."""
        ...


@dataclass(kw_only=True)
class AnnotationBuilder:
    """Collect the boxes of one image; what can be neither learnt nor scored is dropped, listed."""

    image: str
    width: int
    height: int
    dropped: list[Dropped]
    min_side_px: float = 1.0
    _boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    _labels: list[int] = field(default_factory=list)
    _ignore: list[bool] = field(default_factory=list)
    _landmarks: list[npt.NDArray[np.float32] | None] = field(default_factory=list)
    _areas: list[float] = field(default_factory=list)

    def add(
        self,
        box: tuple[float, float, float, float],
        label: int | None,
        *,
        ignore: bool = False,
        detail: str = "",
        landmarks: npt.ArrayLike | None = None,
        area: float = math.nan,
    ) -> None:
        """Add one box (x1, y1, x2, y2) in pixels, clipped to the image, or list why it is dropped.

        label: class index from 1, or None for a class that the dataset does not know.
        landmarks: [5, 2], (x, y) in pixels in the order of LANDMARKS, NaN where a point is not
            known; None where the object has none. They are kept as they are, never clipped.
        area: of the object itself in square pixels, NaN where the annotation does not state it.
        """
        where = f"{detail} {tuple(round(float(v), 1) for v in box)}".strip()
        if label is None:
            self._drop("unknown class", where)
            return
        if not all(map(math.isfinite, box)):
            self._drop("not finite", where)
            return
        if box[2] - box[0] < self.min_side_px or box[3] - box[1] < self.min_side_px:
            self._drop("zero area", where)
            return
        x1, x2 = (min(max(float(v), 0.0), float(self.width)) for v in (box[0], box[2]))
        y1, y2 = (min(max(float(v), 0.0), float(self.height)) for v in (box[1], box[3]))
        if x2 - x1 < self.min_side_px or y2 - y1 < self.min_side_px:
            self._drop("outside the image", where)
            return
        self._boxes.append((x1, y1, x2, y2))
        self._labels.append(label)
        self._ignore.append(ignore)
        self._landmarks.append(_points(landmarks))
        self._areas.append(area)

    def build(self) -> Annotation:
        """Return what was kept, in the order it was added."""
        return Annotation(
            boxes=np.asarray(self._boxes, np.float32).reshape(-1, 4),
            labels=np.asarray(self._labels, np.int64),
            ignore=np.asarray(self._ignore, np.bool_),
            landmarks=self._built_landmarks(),
            areas=None if all(map(math.isnan, self._areas)) else np.asarray(self._areas),
        )

    def _built_landmarks(self) -> npt.NDArray[np.float32] | None:
        if all(points is None for points in self._landmarks):
            return None
        return np.stack([_NO_POINTS if points is None else points for points in self._landmarks])

    def _drop(self, reason: str, detail: str) -> None:
        self.dropped.append(Dropped(image=self.image, reason=reason, detail=detail))


_NO_POINTS = np.full((len(LANDMARKS), 2), np.nan, np.float32)


def _points(landmarks: npt.ArrayLike | None) -> npt.NDArray[np.float32] | None:
    """Return float32 [5, 2] with a point known whole or not at all, None where none is known."""
    if landmarks is None:
        return None
    points = np.array(landmarks, np.float32).reshape(len(LANDMARKS), 2)
    points[~np.isfinite(points).all(axis=1)] = np.nan
    return None if np.isnan(points).all() else points
