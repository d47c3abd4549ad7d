"""How a stream is doing: frames a second and what each stage takes, lately and in all."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .frames import FrameResult, StageTimes

WINDOW_S = 2.0
"""What is shown while it runs is a mean over this long, so that it can be read."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Frames a second, and the mean time of a frame in each stage, in milliseconds."""

    fps: float
    pre_ms: float
    net_ms: float
    post_ms: float


class Meter:
    """Counts the results of one stream.

    frames, detections: so far. lost: frames that the indices have gaps for, dropped or unreadable.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.frames = 0
        self.detections = 0
        self.lost = 0
        self._clock = clock
        self._begun_s = clock()
        self._ended_s = self._begun_s
        self._next_index = 0
        self._sums = (0.0, 0.0, 0.0)
        self._recent: deque[tuple[float, StageTimes]] = deque(maxlen=1024)

    def add(self, result: FrameResult) -> None:
        """Count a result."""
        self._ended_s = self._clock()
        self.frames += 1
        self.detections += len(result.detections)
        self.lost += result.frame.index - self._next_index
        self._next_index = result.frame.index + 1
        times = result.times
        pre, net, post = self._sums
        self._sums = (pre + times.pre_ms, net + times.net_ms, post + times.post_ms)
        self._recent.append((self._ended_s, times))
        while len(self._recent) > 2 and self._recent[0][0] < self._ended_s - WINDOW_S:
            self._recent.popleft()

    def lately(self) -> Pace:
        """Return the pace of the last `WINDOW_S`."""
        times = [t for _, t in self._recent]
        count = max(len(times), 1)
        spent_s = self._recent[-1][0] - self._recent[0][0] if times else 0.0
        return Pace(
            fps=(len(times) - 1) / spent_s if spent_s > 0 else 0.0,
            pre_ms=sum(t.pre_ms for t in times) / count,
            net_ms=sum(t.net_ms for t in times) / count,
            post_ms=sum(t.post_ms for t in times) / count,
        )

    def overall(self) -> Pace:
        """Return the pace from the start to the last result."""
        spent_s = self._ended_s - self._begun_s
        pre, net, post = (total / max(self.frames, 1) for total in self._sums)
        fps = self.frames / spent_s if spent_s > 0 else 0.0
        return Pace(fps=fps, pre_ms=pre, net_ms=net, post_ms=post)
