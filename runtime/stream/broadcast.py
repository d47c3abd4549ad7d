"""The newest result of a stream, for any number of viewers, each at its own pace."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from .drawing import draw_result
from .frames import FrameResult, StageTimes

LONGEST_SIDE_PX = 1280
"""Larger pictures are shown smaller: a page has no use for more, a slow line even less."""
JPEG_QUALITY = 82
WINDOW_S = 2.0
"""Rates and times are means over this long, so that they can be read."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """How a stream is doing; the times are means of the last `WINDOW_S`.

    frame: index of the newest, None before the first. idle_s: since it came.
    dropped: frames that the source had and that were never shown.
    """

    frame: int | None
    seconds: float
    idle_s: float
    fps: float
    capture_ms: float
    pre_ms: float
    net_ms: float
    post_ms: float
    detections: int
    dropped: int


class Broadcast:
    """Takes results from one thread; viewers wait in theirs and always get the newest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._result: FrameResult | None = None
        self._number = 0
        self._ended = False
        self._recent: deque[tuple[float, StageTimes]] = deque(maxlen=256)
        self._dropped = 0
        self._began_s = clock()
        self._encoding = threading.Lock()
        self._encoded = 0
        self._jpeg = b""

    def show(self, result: FrameResult) -> None:
        """Make a result the newest; returns at once, whatever the viewers do."""
        now = self._clock()
        with self._changed:
            last = -1 if self._result is None else self._result.frame.index
            self._dropped += max(0, result.frame.index - last - 1)
            self._result = result
            self._number += 1
            self._recent.append((now, result.times))
            while len(self._recent) > 2 and self._recent[0][0] < now - WINDOW_S:
                self._recent.popleft()
            self._changed.notify_all()

    def end(self) -> None:
        """Let every viewer go: nothing comes any more."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def ended(self) -> bool:
        """Return whether the stream is over."""
        with self._changed:
            return self._ended

    def wait(self, after: int, timeout_s: float) -> int:
        """Wait for a result later than number `after`; returns the newest number, at last `after`.

        Returns early where the stream ends.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self._ended, timeout_s)
            return self._number

    def pause(self, seconds: float) -> None:
        """Wait, whatever is shown, but no longer than the stream lasts."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended, seconds)

    def picture(self) -> tuple[int, bytes]:
        """Return the newest number and its drawn picture as a JPEG, drawn once for all viewers.

        Call it after `wait` has returned a number above 0.
        """
        with self._encoding:
            with self._changed:
                number, result = self._number, self._result
            if result is not None and number != self._encoded:
                self._jpeg = encode(draw_result(result))
                self._encoded = number
            return number, self._jpeg

    def status(self) -> Status:
        """Return how the stream is doing."""
        now = self._clock()
        with self._changed:
            result, recent, dropped = self._result, tuple(self._recent), self._dropped
        times = [times for _, times in recent]
        return Status(
            frame=None if result is None else result.frame.index,
            seconds=0.0 if result is None else result.frame.seconds,
            idle_s=now - (recent[-1][0] if recent else self._began_s),
            fps=_rate([at for at, _ in recent], now),
            capture_ms=_mean([t.capture_ms for t in times]),
            pre_ms=_mean([t.pre_ms for t in times]),
            net_ms=_mean([t.net_ms for t in times]),
            post_ms=_mean([t.post_ms for t in times]),
            detections=0 if result is None else len(result.detections),
            dropped=dropped,
        )


def encode(image: npt.NDArray[np.uint8]) -> bytes:
    """Return a BGR image, uint8 [height, width, 3], as a JPEG, shrunk where it is large."""
    scale = LONGEST_SIDE_PX / max(image.shape[:2])
    if scale < 1:
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return data.tobytes()


def _rate(moments_s: list[float], now_s: float) -> float:
    """Return how many a second came; falls as soon as the next one is late."""
    if len(moments_s) < 2:
        return 0.0
    longest_s = max((moments_s[-1] - moments_s[0]) / (len(moments_s) - 1), now_s - moments_s[-1])
    return 1 / longest_s if longest_s > 0 else 0.0


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0
