"""Which detection found which object: the flat columns behind every score, breakdown and flip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from ..datasets.record import Annotation
from ..runtime.detections import Detections

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Float = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]

NOTHING = -1
"""In `truth_of`: the detection found no object."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Truths:
    """The objects of some images, one after the other, image by image.

    images: how many. image, label: int64 [objects], the image from 0 and the class from 1.
    boxes: float32 [objects, 4], corners in pixels of the image. counted: bool [objects], False
    for the ignored. area: float64 [objects], the object's own in square pixels where its annotation
    states it, else its box's.
    """

    images: int
    image: Ints
    label: Ints
    boxes: Float
    counted: Bools
    area: Double

    @classmethod
    def of(cls, truths: Sequence[Annotation]) -> Truths:
        """Put the annotations of some images one after the other."""
        return cls(
            images=len(truths),
            image=np.repeat(np.arange(len(truths)), [len(t) for t in truths]).astype(np.int64),
            label=np.concatenate([np.zeros(0, np.int64), *(t.labels for t in truths)]),
            boxes=np.concatenate([np.zeros((0, 4), np.float32), *(t.boxes for t in truths)]),
            counted=~np.concatenate([np.zeros(0, np.bool_), *(t.ignore for t in truths)]),
            area=np.concatenate([np.zeros(0, np.float64), *map(_areas, truths)]),
        )

    def objects(self, label: int) -> int:
        """Return how many objects of a class count."""
        return int((self.counted & (self.label == label)).sum())


def areas(boxes: Float) -> Double:
    """Return the area of each box, float64 [n], in square pixels.

    Sums and products in float64, as pycocotools has them: a box on a threshold stays on its side.
    """
    corners = boxes.astype(np.float64)
    return np.asarray((corners[:, 2:4] - corners[:, 0:2]).prod(axis=1), np.float64)


def _areas(truth: Annotation) -> Double:
    own = areas(truth.boxes)
    return own if truth.areas is None else np.where(np.isnan(truth.areas), own, truth.areas)


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """The detections of some images, one after the other, image by image.

    image, label: int64 [detections], as in `Truths`. score: float32 [detections]. boxes: float32
    [detections, 4], corners in pixels of the image.
    """

    image: Ints
    label: Ints
    score: Float
    boxes: Float

    @classmethod
    def of(cls, found: Sequence[Detections]) -> Found:
        """Put the detections of some images one after the other."""
        counts = [len(d) for d in found]
        return Found(
            image=np.repeat(np.arange(len(found)), counts).astype(np.int64),
            label=np.concatenate([np.zeros(0, np.int64), *(d.labels for d in found)]),
            score=np.concatenate([np.zeros(0, np.float32), *(d.scores for d in found)]),
            boxes=np.concatenate([np.zeros((0, 4), np.float32), *(d.boxes for d in found)]),
        )

    def by_score(self, label: int) -> Ints:
        """Return the positions of a class's detections, highest score first.

        Of equal scores the earlier image comes first, then the earlier detection: the stable order
        of pycocotools and of the VOC development kit.
        """
        order, labels = self._ordered
        return order[slice(*np.searchsorted(labels, [label, label + 1]))]

    @cached_property
    def places(self) -> Ints:
        """Return each detection's place by score in its image and class, from 0, int64 [n]."""
        order = np.lexsort((-self.score, self.scene))
        scene = self.scene[order]
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order)) - np.searchsorted(scene, scene)
        return places

    @cached_property
    def scene(self) -> Ints:
        """Return a number for each detection that those of its image and class alone share."""
        scene = self.image * (1 + self.label.max(initial=0)) + self.label
        return np.asarray(scene, np.int64)

    @cached_property
    def _ordered(self) -> tuple[Ints, Ints]:
        order = np.lexsort((-self.score, self.label))
        return order.astype(np.int64), self.label[order]


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches(Found):
    """What one detector found on those images, and which object each detection found.

    ious: the T thresholds. truth_of: int64 [T, detections], position of the object in `truths`,
    NOTHING for a false alarm. void: bool [T, detections], neither hit nor false alarm: it lies on
    an ignored box, or beyond the most detections that are scored. How a detection comes to its
    object is the protocol's: see `matching`.
    """

    truths: Truths
    ious: npt.NDArray[np.float64]
    truth_of: Ints
    void: Bools

    def hit(self, iou_index: int = 0) -> Bools:
        """Tell which detections found an object, bool [detections]."""
        found = self.truth_of[iou_index] != NOTHING
        return np.asarray(found & ~self.void[iou_index], np.bool_)

    def false_alarm(self, iou_index: int = 0) -> Bools:
        """Tell which detections found none, bool [detections]."""
        alone = self.truth_of[iou_index] == NOTHING
        return np.asarray(alone & ~self.void[iou_index], np.bool_)

    def at_most(self, detections: int) -> Self:
        """Return these matches with so many detections of each image and class scored, the best.

        Objects go to the highest scores first, so what is cut off took nothing from the rest.
        """
        return replace(self, void=self.void | (self.places >= detections))
