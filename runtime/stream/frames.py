"""What flows from a source through the detector to whatever shows or keeps the results."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..backend import Closing
from ..contract import Thresholds
from ..detections import Detections

Remark = Callable[[str], None]
"""Hears, from any thread, of what did not end the stream: a file skipped, a camera lost."""


def log_remark(text: str) -> None:
    """Put a remark into the log, where nobody else wants it."""
    logging.getLogger(__name__).warning(text)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One image of a source.

    index: from 0, gaps where frames were dropped. seconds: position in the video, or since the
    start of a live source. name: of the file where the source is made of files, else empty.
    """

    index: int
    seconds: float
    image: npt.NDArray[np.uint8]
    name: str = ""


class Source(Closing):
    """Something that frames come from, once, in order; one thread reads, any may stop it.

    name: for people and file names, without secrets. live: what is not taken in time is gone.
    fps: the rate it announces, None where it announces none. count: how many frames it announces.
    """

    name: str = "?"
    live: bool = False
    fps: float | None = None
    count: int | None = None
    _stopped: bool = False

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames. Raises DataError or DeviceError where there is none or no more."""
        raise NotImplementedError

    def stop(self) -> None:
        """Let the frames end as soon as possible, as if there were no more; from any thread."""
        # A plain attribute: a signal handler may interrupt a thread that holds an event's lock.
        self._stopped = True


class Tracker(Protocol):
    """Something that knows detections again; it sees each frame once, in order."""

    def update(self, detections: Detections) -> npt.NDArray[np.int64]:
        """Return the identity of each detection, int64 [n]."""
        ...


@dataclass(frozen=True, kw_only=True)
class StageTimes:
    """How long one frame took in each stage, in milliseconds."""

    capture_ms: float
    pre_ms: float
    net_ms: float
    post_ms: float


@dataclass(frozen=True, kw_only=True)
class FrameResult:
    """A frame with its detections. identities: int64 [n] beside them where a tracker ran."""

    frame: Frame
    detections: Detections
    times: StageTimes
    identities: npt.NDArray[np.int64] | None = None


class Controls:
    """What may be changed while a stream runs; from any thread, it acts on the next frame."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._lock = threading.Lock()
        self._thresholds = thresholds

    @property
    def thresholds(self) -> Thresholds:
        """Return the thresholds in force."""
        with self._lock:
            return self._thresholds

    @thresholds.setter
    def thresholds(self, value: Thresholds) -> None:
        with self._lock:
            self._thresholds = value
