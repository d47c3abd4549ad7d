"""What flows from a source through the detector to whatever shows or keeps the results."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..contract import Thresholds
from ..detections import Detections


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
