"""Which objects some anchor reaches, at its place on the grid: the most that matching can find."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...runtime import boxes as box_math
from .truths import Truths

SIDES_PX = (16.0, 32.0, 64.0, 128.0)
"""Borders of the size classes: square roots of the area at the network's scale."""
PAIRS_AT_ONCE = 2**21
"""Of a box and an anchor: bounds the memory."""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reach:
    """What some anchors do for some boxes.

    best_iou: float32 [n], the IoU of each box with its best anchor; anchors: int64 [n], how many
    anchors have at least `match_iou` with it.
    """

    best_iou: npt.NDArray[np.float32]
    anchors: npt.NDArray[np.int64]
    match_iou: float

    @property
    def reached(self) -> Bools:
        """Tell of each box whether some anchor has at least `match_iou` with it, bool [n]."""
        return np.asarray(self.best_iou >= self.match_iou, np.bool_)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the recall table: all objects, a size class or a class.

    recall: share of the objects that some anchor reaches; nan where there is no object, like
    mean_best_iou and anchors_per_object.
    """

    name: str
    objects: int
    recall: float
    mean_best_iou: float
    anchors_per_object: float


def reach(
    boxes: npt.NDArray[np.float32], anchors: npt.NDArray[np.float32], match_iou: float
) -> Reach:
    """Hold boxes, [n, 4] corners, against placed anchors, [m, 4] centred, pixels of the input.

    An object without such an anchor still gets its best one in training, but no second.
    """
    corners = box_math.to_corners(anchors)
    step = max(1, PAIRS_AT_ONCE // max(1, len(corners)))
    best = np.zeros(len(boxes), np.float32)
    count = np.zeros(len(boxes), np.int64)
    for start in range(0, len(boxes), step):
        overlap = box_math.iou(boxes[start : start + step], corners)  # [boxes, anchors]
        best[start : start + step] = overlap.max(axis=1, initial=0)
        count[start : start + step] = (overlap >= match_iou).sum(axis=1)
    return Reach(best_iou=best, anchors=count, match_iou=match_iou)


def recall_table(truths: Truths, found: Reach, classes: Sequence[str]) -> list[Row]:
    """Return recall over all objects, by size and, where there are several, by class."""
    return [
        Row(
            name=name,
            objects=int(members.sum()),
            recall=_mean(found.reached[members]),
            mean_best_iou=_mean(found.best_iou[members]),
            anchors_per_object=_mean(found.anchors[members]),
        )
        for name, members in _groups(truths, classes)
    ]


def _groups(truths: Truths, classes: Sequence[str]) -> Iterator[tuple[str, Bools]]:
    yield "all", np.ones(len(truths.boxes), np.bool_)
    own = np.searchsorted(SIDES_PX, np.sqrt(truths.sizes.prod(axis=1)), side="right")
    first, last = SIDES_PX[0], SIDES_PX[-1]
    names = [f"{low:g}-{high:g} px" for low, high in itertools.pairwise(SIDES_PX)]
    for index, name in enumerate([f"under {first:g} px", *names, f"{last:g} px and more"]):
        yield name, own == index
    if len(classes) > 1:
        for label, name in enumerate(classes, 1):
            yield name, truths.labels == label


def _mean(values: npt.NDArray[np.generic]) -> float:
    return float(values.mean(dtype=np.float64)) if len(values) else float("nan")
