"""What changed above the detector's threshold between two graphs on the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..runtime.boxes import iou
from .matches import NOTHING, Bools, Matches

Least = npt.NDArray[np.float32]
"""The least score of every class, [classes]: the detector's own threshold."""
SAME_PLACE_IOU = 0.5

Kind = Literal["lost", "new false alarm"]


@dataclass(frozen=True, kw_only=True)
class Flip:
    """One detection that changed sides.

    kind: `lost`, an object that the reference finds and the other does not; or `new false alarm`.
    image: position of the image; label: class from 1. box: corners in pixels of the image, of the
    reference's detection where it was lost, of the other's where it is new. truth: box of the
    object; None for a false alarm. reference_score, other_score: 0 to 1, of the two graphs'
    detections there, 0 where a graph has none at all. change: how far the score moved, 0 to 1.
    """

    kind: Kind
    image: int
    label: int
    box: tuple[float, float, float, float]
    truth: tuple[float, float, float, float] | None
    reference_score: float
    other_score: float
    change: float


@dataclass(frozen=True, kw_only=True)
class FlipCounts:
    """How many objects and false alarms two graphs share at a threshold, and how many they do not.

    kept, lost, gained: objects found by both, by the reference alone, by the other alone.
    same_false, new_false, gone_false: false alarms of the other at a place where the reference has
    one too, where it has none; and of the reference where the other has none.
    """

    kept: int
    lost: int
    gained: int
    same_false: int
    new_false: int
    gone_false: int


def count_flips(reference: Matches, other: Matches, least: Least) -> FlipCounts:
    """Count what changed; least: the score of each class from which a detection is shown."""
    before, after = _finder(reference, least) != NOTHING, _finder(other, least) != NOTHING
    same = ~_unique_alarms(other, reference, least)[1]
    gone = _unique_alarms(reference, other, least)[1]
    return FlipCounts(
        kept=int((before & after).sum()),
        lost=int((before & ~after).sum()),
        gained=int((~before & after).sum()),
        same_false=int(same.sum()),
        new_false=int((~same).sum()),
        gone_false=int(gone.sum()),
    )


def find_flips(reference: Matches, other: Matches, least: Least) -> list[Flip]:
    """Return the objects lost and the new false alarms, those whose score moved most first."""
    found = [*_lost(reference, other, least), *_new_alarms(reference, other, least)]
    return sorted(found, key=lambda flip: (-flip.change, flip.image, flip.box))


def _lost(reference: Matches, other: Matches, least: Least) -> list[Flip]:
    before, after = _finder(reference, least), _finder(other, least)
    anywhere = _finder(other, np.zeros_like(least))
    flips = []
    for truth in np.nonzero((before != NOTHING) & (after == NOTHING))[0]:
        at = int(before[truth])
        left = int(anywhere[truth])
        was = float(reference.score[at])
        now = 0.0 if left == NOTHING else float(other.score[left])
        flips.append(
            Flip(
                kind="lost",
                image=int(reference.image[at]),
                label=int(reference.label[at]),
                box=_corners(reference.boxes[at]),
                truth=_corners(reference.truths.boxes[truth]),
                reference_score=was,
                other_score=now,
                change=was - now,
            )
        )
    return flips


def _new_alarms(reference: Matches, other: Matches, least: Least) -> list[Flip]:
    flips = []
    alarms, new = _unique_alarms(other, reference, least)
    for at in alarms[new]:
        there = _overlapping(reference, other, int(at)) & reference.false_alarm()
        was = float(reference.score[there].max(initial=0.0))
        now = float(other.score[at])
        flips.append(
            Flip(
                kind="new false alarm",
                image=int(other.image[at]),
                label=int(other.label[at]),
                box=_corners(other.boxes[at]),
                truth=None,
                reference_score=was,
                other_score=now,
                change=now - was,
            )
        )
    return flips


def _finder(matches: Matches, least: Least) -> npt.NDArray[np.int64]:
    """Return the shown detection that found each object, int64 [objects], or NOTHING.

    Matching goes by falling score: what lies below the threshold took nothing from above it.
    """
    finder = np.full(len(matches.truths.label), NOTHING, np.int64)
    rows = np.nonzero(matches.hit() & _shown(matches, least))[0]
    finder[matches.truth_of[0, rows]] = rows
    return finder


def _unique_alarms(
    matches: Matches, against: Matches, least: Least
) -> tuple[npt.NDArray[np.int64], Bools]:
    """Return the shown false alarms, and which of them `against` does not have."""
    alarms = np.nonzero(matches.false_alarm() & _shown(matches, least))[0]
    shown = against.false_alarm() & _shown(against, least)
    alone = [not (_overlapping(against, matches, int(at)) & shown).any() for at in alarms]
    return alarms, np.asarray(alone, np.bool_)


def _shown(matches: Matches, least: Least) -> Bools:
    return np.asarray(matches.score >= least[matches.label - 1], np.bool_)


def _overlapping(matches: Matches, other: Matches, at: int) -> Bools:
    """Tell which detections lie where detection `at` of the other lies, in class and image."""
    near = (matches.image == other.image[at]) & (matches.label == other.label[at])
    near[near] = iou(matches.boxes[near], other.boxes[at : at + 1])[:, 0] >= SAME_PLACE_IOU
    return np.asarray(near, np.bool_)


def _corners(box: npt.NDArray[np.float32]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(v) for v in box)
    return x1, y1, x2, y2
