"""Which detection gets which object: one pass for each of the two protocols that are in use.

COCO's serves pedestrian detection too: Piotr's toolbox, which Caltech's evaluation runs on
(`bbGt.m`, `evalRes`), matches alike, but knows no ranges of area and no most detections an image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..datasets.record import Annotation
from ..runtime.detections import Detections
from .matches import NOTHING, Bools, Double, Found, Ints, Matches, Truths, areas
from .overlaps import Overlaps

MAX_DETECTIONS = 200
"""Detections an image that are scored unless asked; COCO's own 100 would cut a dense crowd."""
COCO_IOUS = np.linspace(0.5, 0.95, 10)
"""pycocotools, `Params.iouThrs`."""
VOC_IOUS = np.asarray([0.5])


@dataclass(frozen=True, kw_only=True)
class AreaRange:
    """Objects by area, from `low` to `high` square pixels of the image, both inside."""

    name: str
    low: float
    high: float


ALL = AreaRange(name="all", low=0.0, high=1e10)
SMALL = AreaRange(name="small", low=0.0, high=32.0**2)
MEDIUM = AreaRange(name="medium", low=32.0**2, high=96.0**2)
LARGE = AreaRange(name="large", low=96.0**2, high=1e10)
"""pycocotools, `Params.areaRng`."""


def match(
    truths: Sequence[Annotation],
    found: Sequence[Detections],
    max_detections: int | None = MAX_DETECTIONS,
) -> Matches:
    """Match the detections of some images with their annotations, pairwise, as COCO does.

    max_detections: of each image and class, those with the highest scores; all where None.
    """
    return match_coco(overlaps_of(truths, found), max_detections=max_detections)


def overlaps_of(truths: Sequence[Annotation], found: Sequence[Detections]) -> Overlaps:
    """Return what every protocol matches: the overlaps of some images, pairwise."""
    assert len(truths) == len(found), "one list of detections an image"
    return Overlaps.of(Truths.of(truths), Found.of(found))


def match_coco(
    overlaps: Overlaps, *, area: AreaRange = ALL, max_detections: int | None = None
) -> Matches:
    """Match by COCO's protocol at IoU 0.5 to 0.95.

    By falling score each detection takes the free object that it overlaps most, the later one of
    two alike; only where there is none, an ignored one. An ignored region is never used up, and
    what counts there is how much of the detection it covers. Objects outside the area range are
    ignored as well, but each of those takes one detection; a detection outside of it that found
    nothing is no false alarm. Source: pycocotools, `COCOeval.evaluateImg`.
    """
    truths, found = overlaps.truths, overlaps.found
    counted = truths.counted & (truths.area >= area.low) & (truths.area <= area.high)
    truth_of = _take(overlaps, counted)
    own = areas(found.boxes)
    outside = (own < area.low) | (own > area.high)
    nothing = truth_of == NOTHING
    on_ignored = ~nothing & ~np.append(counted, True)[truth_of]
    matches = Matches(
        **_columns(found),
        truths=replace(truths, counted=counted),
        ious=COCO_IOUS,
        truth_of=truth_of,
        void=on_ignored | (nothing & outside),
    )
    return matches if max_detections is None else matches.at_most(max_detections)


def match_voc(overlaps: Overlaps) -> Matches:
    """Match by the protocol of PASCAL VOC at IoU 0.5.

    By falling score each detection goes to the one object that it overlaps most, the earlier of
    two alike, also where that one is taken: then it is a false alarm. Where that object is
    difficult it is neither hit nor false alarm. The kit counts the last pixel of a box as its own;
    the readers have turned such boxes into edges, so no pixel is added here. Source: VOC 2012
    development kit, `VOCevaldet.m`.
    """
    truths, found = overlaps.truths, overlaps.found
    order = np.lexsort((overlaps.truth, -overlaps.iou, overlaps.detection))
    detection, first = np.unique(overlaps.detection[order], return_index=True)
    chosen = order[first]  # the pair that each detection goes to
    total = len(found.score)
    truth_of = np.full((len(VOC_IOUS), total), NOTHING, np.int64)
    void = np.zeros((len(VOC_IOUS), total), np.bool_)
    by_score = np.argsort(-found.score[detection], kind="stable")
    detection, chosen = detection[by_score], chosen[by_score]
    for row, least in enumerate(VOC_IOUS):
        enough = overlaps.iou[chosen] >= least
        known = truths.counted[overlaps.truth[chosen]]
        void[row, detection[enough & ~known]] = True
        finders = np.nonzero(enough & known)[0]
        taken, first = np.unique(overlaps.truth[chosen[finders]], return_index=True)
        truth_of[row, detection[finders[first]]] = taken
    return Matches(**_columns(found), truths=truths, ious=VOC_IOUS, truth_of=truth_of, void=void)


def _take(overlaps: Overlaps, counted: Bools) -> Ints:
    """Return the object that each detection takes, int64 [T, detections], or NOTHING.

    The classes of all images are independent of each other: in step n each looks at its n-th pair,
    by falling score and then by what the detection would rather have, and takes it where both are
    free.
    """
    truths, found = overlaps.truths, overlaps.found
    value = np.where(truths.counted[overlaps.truth], overlaps.iou, overlaps.covered)
    scene = found.scene[overlaps.detection]
    order = np.lexsort(
        (
            -overlaps.truth,
            -value,
            ~counted[overlaps.truth],
            overlaps.detection,
            -found.score[overlaps.detection],
            scene,
        )
    )
    step = np.arange(len(order)) - np.searchsorted(scene[order], scene[order])
    order = order[np.argsort(step, kind="stable")]
    ends = np.cumsum(np.bincount(step))
    taken_by = np.full((len(found.score), len(COCO_IOUS)), NOTHING, np.int64)
    free = np.ones((len(truths.label), len(COCO_IOUS)), np.bool_)
    begin = 0
    for end in ends:
        _step(overlaps, value, order[begin:end], taken_by, free)
        begin = end
    return np.ascontiguousarray(taken_by.T)


def _step(overlaps: Overlaps, value: Double, pairs: Ints, taken_by: Ints, free: Bools) -> None:
    """Take what can be taken of some pairs, no two of them of the same image and class."""
    detection, truth = overlaps.detection[pairs], overlaps.truth[pairs]
    has = taken_by[detection]
    takes = (value[pairs][:, None] >= COCO_IOUS) & (has == NOTHING) & free[truth]
    taken_by[detection] = np.where(takes, truth[:, None], has)
    free[truth] &= ~(takes & overlaps.truths.counted[truth][:, None])


def _columns(found: Found) -> dict[str, np.ndarray]:
    return {
        "image": found.image,
        "label": found.label,
        "score": found.score,
        "boxes": found.boxes,
    }
