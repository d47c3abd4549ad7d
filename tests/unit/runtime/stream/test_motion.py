"""The filter follows a box, and is the 8 x 8 Kalman filter that it stands for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from hexdet.runtime.boxes import to_centred, to_corners
from hexdet.runtime.stream.motion import (
    FIRST_PLACE,
    FIRST_VELOCITY,
    PLACE_NOISE,
    VELOCITY_NOISE,
    Motion,
)

ALL = np.array([0], np.int64)
SEEN = np.array([False])
UNSEEN = np.array([True])


def box(cx: float, cy: float, w: float = 20, h: float = 30) -> npt.NDArray[np.float32]:
    return to_corners(np.array([[cx, cy, w, h]], np.float32))


def followed(speed: float, frames: int) -> Motion:
    motion = Motion()
    motion.add(box(100, 80))
    for step in range(1, frames):
        motion.predict(SEEN)
        motion.correct(ALL, box(100 + speed * step, 80))
    return motion


def test_nothing_to_follow() -> None:
    motion = Motion()
    motion.predict(np.zeros(0, np.bool_))
    motion.correct(np.zeros(0, np.int64), np.zeros((0, 4), np.float32))
    motion.keep(np.zeros(0, np.bool_))
    motion.add(np.zeros((0, 4), np.float32))
    assert len(motion) == 0
    assert motion.boxes.shape == (0, 4)


def test_a_new_box_stands_still() -> None:
    motion = Motion()
    motion.add(box(100, 80))
    motion.predict(SEEN)
    np.testing.assert_allclose(motion.boxes, box(100, 80))


@pytest.mark.parametrize("speed", [-7.0, 0.0, 3.0, 12.0])
def test_a_steady_motion_goes_on_unseen(speed: float) -> None:
    motion = followed(speed, frames=12)
    for _ in range(4):
        motion.predict(UNSEEN)
    np.testing.assert_allclose(motion.boxes, box(100 + speed * 15, 80), atol=1.5)


def test_an_unseen_box_keeps_its_size() -> None:
    motion = Motion()
    motion.add(box(100, 80, 20, 20))
    for step in range(1, 8):
        motion.predict(SEEN)
        motion.correct(ALL, box(100, 80, 20 + 4 * step, 20 - 2 * step))
    size = to_centred(motion.boxes)[:, 2:4]
    for _ in range(20):
        motion.predict(UNSEEN)
    np.testing.assert_allclose(to_centred(motion.boxes)[:, 2:4], size, rtol=1e-5)


def test_keep_forgets_the_others() -> None:
    motion = Motion()
    motion.add(np.concatenate([box(10, 10), box(50, 50), box(90, 90)]))
    motion.keep(np.array([True, False, True]))
    np.testing.assert_allclose(motion.boxes, np.concatenate([box(10, 10), box(90, 90)]))


def test_a_box_without_area_stays_finite() -> None:
    motion = Motion()
    flat = np.array([[5, 5, 5, 5]], np.float32)
    motion.add(flat)
    for _ in range(50):
        motion.predict(SEEN)
        motion.correct(ALL, flat)
    assert np.isfinite(motion.boxes).all()


def test_it_is_the_kalman_filter_with_matrices() -> None:
    """Two frames of the textbook's form, with F, H, Q and R as matrices."""
    seen = [
        np.array([100.0, 80, 20, 30]),
        np.array([104.0, 79, 22, 29]),
        np.array([107, 80, 21, 31]),
    ]
    side = np.array([20.0, 30, 20, 30])
    state = np.concatenate([seen[0], np.zeros(4)])
    covariance = np.diag(
        np.concatenate([FIRST_PLACE * PLACE_NOISE * side, FIRST_VELOCITY * VELOCITY_NOISE * side])
        ** 2
    )
    forward = np.eye(8) + np.eye(8, k=4)
    look = np.eye(4, 8)
    motion = Motion()
    motion.add(to_corners(seen[0][None].astype(np.float32)))
    for measured in seen[1:]:
        side = np.tile(state[2:4], 2)
        noise = np.diag(np.concatenate([PLACE_NOISE * side, VELOCITY_NOISE * side]) ** 2)
        state, covariance = forward @ state, forward @ covariance @ forward.T + noise
        spread = look @ covariance @ look.T + np.diag((PLACE_NOISE * np.tile(state[2:4], 2)) ** 2)
        gain = covariance @ look.T @ np.linalg.inv(spread)
        state = state + gain @ (measured - look @ state)
        covariance = (np.eye(8) - gain @ look) @ covariance
        motion.predict(SEEN)
        motion.correct(ALL, to_corners(measured[None].astype(np.float32)))
        np.testing.assert_allclose(to_centred(motion.boxes)[0], state[:4], rtol=1e-4)
