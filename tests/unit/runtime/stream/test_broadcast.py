"""The newest result wins, is drawn once however many look, and never if nobody does."""

from __future__ import annotations

import threading
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from hexdet.runtime.stream import broadcast as module
from hexdet.runtime.stream.broadcast import LONGEST_SIDE_PX, Broadcast, encode
from hexdet.runtime.stream.frames import FrameResult

MakeResult = Callable[..., FrameResult]
PATIENCE_S = 30.0


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the indices of the frames that get drawn."""
    indices: list[int] = []
    draw = module.draw_result

    def spy(result: FrameResult) -> object:
        indices.append(result.frame.index)
        return draw(result)

    monkeypatch.setattr(module, "draw_result", spy)
    return indices


def test_before_the_first_frame() -> None:
    clock = Clock()
    empty = Broadcast(clock)
    clock.now_s += 4
    status = empty.status()
    assert (status.frame, status.fps, status.detections, status.dropped) == (None, 0.0, 0, 0)
    assert status.idle_s == 4
    assert empty.wait(0, 0.0) == 0


def test_nobody_looks_nothing_is_drawn(make_result: MakeResult, drawn: list[int]) -> None:
    cast = Broadcast()
    for index in range(5):
        cast.show(make_result(index))
    assert drawn == []


def test_the_newest_is_drawn_once_for_all(make_result: MakeResult, drawn: list[int]) -> None:
    cast = Broadcast()
    cast.show(make_result(0))
    cast.show(make_result(1, tone=200))
    assert cast.wait(0, PATIENCE_S) == 2
    pictures = [cast.picture() for _ in range(3)]
    assert drawn == [1]
    assert pictures[0] == pictures[1] == pictures[2]
    number, jpeg = pictures[0]
    assert number == 2
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (48, 64, 3)
    assert abs(int(image[40, 4].mean()) - 200) < 6


def test_a_waiting_viewer_is_woken_by_a_frame_and_by_the_end(make_result: MakeResult) -> None:
    cast = Broadcast()
    seen: list[int] = []

    def watch() -> None:
        while not cast.ended:
            seen.append(cast.wait(len(seen), PATIENCE_S))

    viewer = threading.Thread(target=watch)
    viewer.start()
    cast.show(make_result(0))
    cast.end()
    viewer.join(PATIENCE_S)
    assert not viewer.is_alive()
    assert seen[-1] == 1
    cast.pause(PATIENCE_S)  # returns at once: it is over


def test_the_rate_is_that_of_the_last_seconds_and_falls_when_frames_stay_away(
    make_result: MakeResult,
) -> None:
    clock = Clock()
    cast = Broadcast(clock)
    for index in range(20):
        clock.now_s += 1.0
        cast.show(make_result(index, net_ms=50.0))
    assert cast.status().fps == pytest.approx(1.0)
    for index in range(20, 90):
        clock.now_s += 0.05
        cast.show(make_result(index, net_ms=7.0))
    status = cast.status()
    assert status.fps == pytest.approx(20.0)
    times = (status.capture_ms, status.pre_ms, status.net_ms, status.post_ms)
    assert times == pytest.approx((1.0, 2.0, 7.0, 4.0))
    clock.now_s += 10.0
    assert cast.status().fps == pytest.approx(0.1)
    assert cast.status().idle_s == pytest.approx(10.0)


def test_gaps_are_dropped_frames(make_result: MakeResult) -> None:
    cast = Broadcast()
    for index in (2, 3, 7):
        cast.show(make_result(index, count=index))
    status = cast.status()
    assert (status.frame, status.detections, status.dropped) == (7, 7, 5)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((LONGEST_SIDE_PX, 8), (LONGEST_SIDE_PX, 8)),
        ((3840, 2160), (1280, 720)),
        ((1080, 1920), (720, 1280)),
        ((4000, 1), (1280, 1)),
    ],
)
def test_large_pictures_are_shrunk(size: tuple[int, int], expected: tuple[int, int]) -> None:
    jpeg = encode(np.zeros((size[1], size[0], 3), np.uint8))
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[1::-1] == expected
