"""Identities on the picture: a colour each, always the same, and nothing else is changed."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from hexdet.runtime.detections import Detections
from hexdet.runtime.stream.drawing import draw_result, identity_colour
from hexdet.runtime.stream.frames import Frame, FrameResult, StageTimes

TIMES = StageTimes(capture_ms=1, pre_ms=1, net_ms=1, post_ms=1)


def result(boxes: list[list[float]], identities: list[int] | None) -> FrameResult:
    return FrameResult(
        frame=Frame(index=0, seconds=0.0, image=np.full((120, 160, 3), 40, np.uint8)),
        detections=Detections(
            boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
            scores=np.full(len(boxes), 0.5, np.float32),
            labels=np.ones(len(boxes), np.int64),
            classes=("head",),
        ),
        times=TIMES,
        identities=None if identities is None else np.asarray(identities, np.int64),
    )


def test_nothing_to_draw() -> None:
    empty = result([], [])
    np.testing.assert_array_equal(draw_result(empty), empty.frame.image)


def test_untracked_it_is_the_detections_drawing() -> None:
    untracked = result([[20, 30, 60, 80]], None)
    expected = untracked.detections.draw(untracked.frame.image)
    np.testing.assert_array_equal(draw_result(untracked), expected)


@pytest.mark.parametrize(
    "box",
    [[20, 30, 60, 80], [0, 0, 159, 119], [-5, -5, 4, 3], [150, 110, 170, 130], [30, 30, 30, 30]],
    ids=["inside", "the whole picture", "past one corner", "past the other", "no area"],
)
def test_an_identity_is_drawn_in_its_colour(box: list[float]) -> None:
    tracked = result([box], [12])
    before = tracked.frame.image.copy()
    drawn = draw_result(tracked)
    assert drawn.shape == before.shape
    assert (drawn == identity_colour(12)).all(axis=2).sum() > 40
    np.testing.assert_array_equal(tracked.frame.image, before)


def test_neighbours_differ_and_letters_stay_readable() -> None:
    colours = [identity_colour(identity) for identity in range(1, 200)]
    assert all(colour == identity_colour(i) for i, colour in enumerate(colours, 1))
    for a, b in pairwise(colours):
        assert np.abs(np.subtract(a, b)).max() > 60
    assert max(min(colour) for colour in colours) < 60
