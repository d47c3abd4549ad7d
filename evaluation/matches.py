"""Which detection found which object: the flat columns behind breakdowns, intervals and flips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pycocotools.cocoeval import COCOeval

from ..datasets.record import Annotation
from ..runtime.detections import Detections

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Float = npt.NDArray[np.float32]

NOTHING = -1
"""In `truth_of`: the detection found no object."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Truths:
    """The objects of some images, one after the other, image by image.

    images: how many. image, label: int64 [objects], the image from 0 and the class from 1.
    boxes: float32 [objects, 4], corners in pixels of the image. counted: bool [objects], False
    for the ignored.
    """

    images: int
    image: Ints
    label: Ints
    boxes: Float
    counted: Bools

    @classmethod
    def of(cls, truths: Sequence[Annotation]) -> Truths:
        """Put the annotations of some images one after the other."""
        return cls(
            images=len(truths),
            image=np.repeat(np.arange(len(truths)), [len(t) for t in truths]).astype(np.int64),
            label=np.concatenate([np.zeros(0, np.int64), *(t.labels for t in truths)]),
            boxes=np.concatenate([np.zeros((0, 4), np.float32), *(t.boxes for t in truths)]),
            counted=~np.concatenate([np.zeros(0, np.bool_), *(t.ignore for t in truths)]),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Matches:
    """What one detector found on those images, and which object each detection found.

    ious: the T thresholds. image, label, score, boxes: one a detection, image by image, as in
    `Truths`. truth_of: int64 [T, detections], position of the object in `truths`, NOTHING for a
    false alarm. void: bool [T, detections], neither hit nor false alarm: it lies on an ignored
    box, or beyond the most detections that are scored. A detection takes the free object of its
    class that it overlaps most, those with higher scores first, as COCO defines it.
    """

    truths: Truths
    ious: npt.NDArray[np.float64]
    image: Ints
    label: Ints
    score: Float
    boxes: Float
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


def matches_of(evaluation: COCOeval, truths: Truths, found: Sequence[Detections]) -> Matches:
    """Take the matching out of what `compare` returned for the very same images."""
    counts = [len(d) for d in found]
    total, ious = sum(counts), np.asarray(evaluation.params.iouThrs, np.float64)
    truth_of = np.full((len(ious), total), NOTHING, np.int64)
    void = np.ones((len(ious), total), np.bool_)  # what is cut off never comes below
    for entry in evaluation.evalImgs:
        if entry is None or not entry["dtIds"]:
            continue
        columns = np.asarray(entry["dtIds"], np.int64) - 1
        truth_of[:, columns] = np.asarray(entry["dtMatches"], np.int64) - 1
        void[:, columns] = np.asarray(entry["dtIgnore"], np.bool_)
    return Matches(
        truths=truths,
        ious=ious,
        image=np.repeat(np.arange(len(found)), counts).astype(np.int64),
        label=np.concatenate([np.zeros(0, np.int64), *(d.labels for d in found)]),
        score=np.concatenate([np.zeros(0, np.float32), *(d.scores for d in found)]),
        boxes=np.concatenate([np.zeros((0, 4), np.float32), *(d.boxes for d in found)]),
        truth_of=truth_of,
        void=void,
    )
