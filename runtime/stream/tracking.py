"""Identities: which detection of this frame is which one of the frames before."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..boxes import iou, to_centred, to_corners
from ..detections import Detections
from .assignment import assign
from .motion import Motion

Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

LEAST_OVERLAP = 0.2
"""IoU below which a sure detection is not the track's (ByteTrack)."""
LEAST_OVERLAP_UNSURE = 0.5
"""The same for an unsure detection, which must fit better to be believed (ByteTrack)."""
MARGIN = 0.5
"""How much of its size is added on every side of a box that found no partner (C-BIoU).

A small head moves by its own width when the camera shakes or the person turns: no overlap is left.
"""


class Tracker:
    """Gives every detection of a stream an identity, from 1 and never twice; one a stream.

    A track is predicted by constant velocity and takes at most one detection of its class a
    frame: the sure detections are dealt out first, those that are unsure then complete what is
    left, and a detection that nothing fits begins a track. Sources: SORT (arXiv 1602.00763);
    ByteTrack (arXiv 2110.06864), algorithm 1, for the two rounds; C-BIoU (arXiv 2211.14317),
    section 3.2, for the margin. Unlike there, a track has an identity from its first frame on.
    """

    def __init__(self, *, max_missed: int = 30, sure_score: float = 0.5) -> None:
        """Keep an unseen track for `max_missed` frames; from `sure_score` a detection is sure."""
        if max_missed < 0:
            raise ValueError(f"max_missed is {max_missed}: it must not be negative")
        self._max_missed = max_missed
        self._sure_score = sure_score
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next frame is the first of a new stream."""
        self._motion = Motion()
        self._identities: Indices = np.zeros(0, np.int64)
        self._labels: Indices = np.zeros(0, np.int64)
        self._seen: Indices = np.zeros(0, np.int64)  # frames in which it was, in all
        self._missed: Indices = np.zeros(0, np.int64)  # frames since then
        self._next = 1

    def update(self, detections: Detections) -> npt.NDArray[np.int64]:
        """Return the identity of each detection of the next frame, int64 [n], all different.

        Call it for every frame, also one without detections.
        """
        self._motion.predict(self._missed > 0)
        owner = np.full(len(detections), -1, np.int64)
        sure = detections.scores >= self._sure_score
        seen_last = self._missed == 0
        everyone = np.ones(len(self._identities), np.bool_)
        self._deal(detections, owner, sure, everyone, LEAST_OVERLAP)
        self._deal(detections, owner, ~sure, seen_last, LEAST_OVERLAP_UNSURE)
        self._deal(detections, owner, sure, everyone, LEAST_OVERLAP, margin=MARGIN)
        self._deal(detections, owner, ~sure, everyone, LEAST_OVERLAP)
        return self._settle(detections, owner)

    def _deal(
        self,
        detections: Detections,
        owner: Indices,
        wanted: Mask,
        tracks: Mask,
        least: float,
        *,
        margin: float = 0.0,
    ) -> None:
        """Write into `owner`, int64 [n], which of the tracks the wanted detections belong to."""
        free = tracks.copy()
        free[owner[owner >= 0]] = False
        rows, columns = np.flatnonzero(free), np.flatnonzero(wanted & (owner < 0))
        overlap = iou(
            _widen(self._motion.boxes[rows], margin), _widen(detections.boxes[columns], margin)
        )
        same = self._labels[rows][:, None] == detections.labels[columns][None, :]
        chosen, taken = assign(np.where(same, overlap, np.float32(0)), least)
        owner[columns[taken]] = rows[chosen]

    def _settle(self, detections: Detections, owner: Indices) -> Indices:
        """Correct the tracks that were found, begin new ones, forget the lost."""
        found = np.flatnonzero(owner >= 0)
        self._motion.correct(owner[found], detections.boxes[found])
        self._missed += 1
        self._missed[owner[found]] = 0
        self._seen[owner[found]] += 1

        new = np.flatnonzero(owner < 0)
        owner[new] = len(self._identities) + np.arange(len(new))
        self._motion.add(detections.boxes[new])
        numbers = np.arange(self._next, self._next + len(new), dtype=np.int64)
        self._next += len(new)
        self._identities = np.concatenate([self._identities, numbers])
        self._labels = np.concatenate([self._labels, detections.labels[new]])
        self._seen = np.concatenate([self._seen, np.ones(len(new), np.int64)])
        self._missed = np.concatenate([self._missed, np.zeros(len(new), np.int64)])
        identities = self._identities[owner]

        # What was hardly ever seen, a false alarm mostly, is not waited for as long.
        alive = self._missed <= np.minimum(self._seen, self._max_missed)
        self._motion.keep(alive)
        self._identities, self._labels = self._identities[alive], self._labels[alive]
        self._seen, self._missed = self._seen[alive], self._missed[alive]
        return identities


def _widen(boxes: npt.NDArray[np.float32], margin: float) -> npt.NDArray[np.float32]:
    """Return boxes with a margin, in box sizes, added on every side."""
    centred = to_centred(boxes)
    centred[:, 2:4] *= 1 + 2 * margin
    return to_corners(centred)
