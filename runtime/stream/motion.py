"""Where tracked boxes go next: a Kalman filter of constant velocity for each, all at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..boxes import to_centred, to_corners

Floats = npt.NDArray[np.float64]

PLACE_NOISE = 1 / 20
"""Standard deviation of a detected box and of its unmodelled motion, as a share of its size."""
VELOCITY_NOISE = 1 / 40
"""Change of velocity a frame, as a share of the box's size.

The 1 / 160 of the papers belongs to whole bodies; a head is a seventh as high and moves as far.
"""
FIRST_PLACE = 2.0
"""Uncertainty of a place seen once, in `PLACE_NOISE`."""
FIRST_VELOCITY = 10.0
"""Uncertainty of a velocity not yet seen, in `VELOCITY_NOISE`."""


class Motion:
    """The (cx, cy, w, h) of t boxes, in pixels, with velocities in pixels a frame.

    SORT (arXiv 1602.00763, section 3.2) with the state of BoT-SORT (arXiv 2206.14651, section
    3.1): width and height themselves, noise in proportion to them. No matrix couples the four
    coordinates, so the 8 x 8 filter is four of 2 x 2, written out here for all boxes together.
    """

    def __init__(self) -> None:
        self._place: Floats = np.zeros((0, 4))
        self._velocity: Floats = np.zeros((0, 4))
        # The covariance of each (place, velocity) pair: its two variances and what they share.
        self._place_var: Floats = np.zeros((0, 4))
        self._shared_var: Floats = np.zeros((0, 4))
        self._velocity_var: Floats = np.zeros((0, 4))

    def __len__(self) -> int:
        return len(self._place)

    @property
    def boxes(self) -> npt.NDArray[np.float32]:
        """Return where the boxes are now, float32 [t, 4] corners in pixels."""
        return to_corners(self._place.astype(np.float32))

    def add(self, boxes: npt.NDArray[np.float32]) -> None:
        """Start with boxes seen for the first time, float32 [n, 4] corners, standing still."""
        place = _centred(boxes)
        deviation = _size(place)
        first_var = (FIRST_PLACE * PLACE_NOISE * deviation) ** 2
        speed_var = (FIRST_VELOCITY * VELOCITY_NOISE * deviation) ** 2
        self._place = np.concatenate([self._place, place])
        self._velocity = np.concatenate([self._velocity, np.zeros_like(place)])
        self._place_var = np.concatenate([self._place_var, first_var])
        self._shared_var = np.concatenate([self._shared_var, np.zeros_like(place)])
        self._velocity_var = np.concatenate([self._velocity_var, speed_var])

    def keep(self, chosen: npt.NDArray[np.bool_]) -> None:
        """Forget the boxes that are not chosen, bool [t]."""
        self._place = self._place[chosen]
        self._velocity = self._velocity[chosen]
        self._place_var = self._place_var[chosen]
        self._shared_var = self._shared_var[chosen]
        self._velocity_var = self._velocity_var[chosen]

    def predict(self, missed: npt.NDArray[np.bool_]) -> None:
        """Move every box one frame on; those not seen last time, bool [t], keep their size.

        A size that goes on changing unseen would grow over its neighbours or shrink to nothing.
        """
        self._velocity[missed, 2:4] = 0.0
        deviation = _size(self._place)
        self._place += self._velocity
        self._place[:, 2:4] = np.maximum(self._place[:, 2:4], 1.0)
        place_noise = (PLACE_NOISE * deviation) ** 2
        self._place_var += 2 * self._shared_var + self._velocity_var + place_noise
        self._shared_var += self._velocity_var
        self._velocity_var += (VELOCITY_NOISE * deviation) ** 2

    def correct(self, which: npt.NDArray[np.int64], boxes: npt.NDArray[np.float32]) -> None:
        """Tell boxes, int64 [n], where they were seen in this frame, float32 [n, 4] corners."""
        place_var, shared_var = self._place_var[which], self._shared_var[which]
        seen_var = place_var + (PLACE_NOISE * _size(self._place[which])) ** 2
        place_gain, velocity_gain = place_var / seen_var, shared_var / seen_var
        surprise = _centred(boxes) - self._place[which]
        self._place[which] += place_gain * surprise
        self._velocity[which] += velocity_gain * surprise
        self._velocity_var[which] -= velocity_gain * shared_var
        self._shared_var[which] = (1 - place_gain) * shared_var
        self._place_var[which] = (1 - place_gain) * place_var


def _centred(boxes: npt.NDArray[np.float32]) -> Floats:
    """Return corners as (cx, cy, w, h), sides of at least a pixel."""
    place = to_centred(boxes).astype(np.float64)
    place[:, 2:4] = np.maximum(place[:, 2:4], 1.0)
    return place


def _size(place: Floats) -> Floats:
    """Return (w, h, w, h), what the deviations of (cx, cy, w, h) are in proportion to."""
    return np.concatenate([place[:, 2:4], place[:, 2:4]], axis=1)
