"""Videos that have an end: files, and files behind a web address."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ...errors import DataError
from .captures import announced_count, announced_fps, open_capture
from .frames import Frame, Remark, Source, log_remark

USUAL_FPS = 25.0
"""For a video that announces no rate."""
MOST_FAILURES = 1000
MOST_FAILURES_UNANNOUNCED = 50
"""Damaged frames in a row that are passed over, with and without a number of frames announced."""
LONGEST_SEARCH_S = 3.0
TOLERATED_SHARE = 0.01
"""Missing frames that nobody is told of: some containers only estimate their number."""
HEAD_BYTES = 4096
TEXT_BYTES = frozenset({*range(0x20, 0x100), 9, 10, 12, 13})


class Video(Source):
    """A video that is already open, frame by frame with its own timestamps.

    A rotation in its metadata is applied by OpenCV. A frame that cannot be decoded is left out:
    the indices have a gap there.
    """

    def __init__(
        self, capture: cv2.VideoCapture, name: str, *, remark: Remark = log_remark
    ) -> None:
        self.name = name
        self.fps = announced_fps(capture)
        self.count = announced_count(capture)
        self._capture = capture
        self._remark = remark

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; DataError where none can be decoded.

        Where fewer came than were announced, the remark says so.
        """
        index, found, seconds = 0, 0, -1.0
        while not self._stopped:
            passed, image = self._next(index)
            if image is None:
                break
            index += passed
            seconds = self._seconds(seconds)
            found += 1
            yield Frame(index=index, seconds=seconds, image=np.asarray(image, np.uint8))
            index += 1
        if self._stopped:
            return
        if found == 0:
            raise DataError(f"the video {self.name} holds no frame that can be decoded")
        missing = (self.count or 0) - found
        if missing > max(1, (self.count or 0) * TOLERATED_SHARE):
            self._remark(
                f"{self.name} gave {found} of the {self.count} frames that it announces: "
                f"cut off or damaged"
            )

    def _next(self, index: int) -> tuple[int, cv2.typing.MatLike | None]:
        """Return the next frame that can be decoded, None for none, and how many were passed."""
        announced = self.count is not None
        most = min((self.count or 0) - index, MOST_FAILURES)
        begun = time.monotonic()
        for passed in range(1 + (max(most, 0) if announced else MOST_FAILURES_UNANNOUNCED)):
            good, image = self._capture.read()
            if good:
                return passed, image
            if self._stopped or time.monotonic() - begun > LONGEST_SEARCH_S:
                break
        return 0, None

    def _seconds(self, last: float) -> float:
        """Return the timestamp of the frame just read; a step of the rate where it has none."""
        seconds = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if last >= 0 and not seconds > last:
            return last + 1 / (self.fps or USUAL_FPS)
        return max(seconds, 0.0)

    def close(self) -> None:
        """Close the file."""
        self._capture.release()


class VideoFile(Video):
    """A video file; raises DataError, saying what is wrong, where it cannot be opened as one."""

    def __init__(self, path: Path, *, remark: Remark = log_remark) -> None:
        try:
            size = path.stat().st_size
            with path.open("rb") as stream:
                head = stream.read(HEAD_BYTES)
        except OSError as error:
            raise DataError(f"cannot read the video {path}: {error.strerror}") from error
        if size == 0:
            raise DataError(f"the video {path} is empty (0 bytes)")
        if is_text(head):  # FFmpeg would show it, letter by letter
            raise DataError(f"{path} is a text, neither an image nor a video")
        # Absolute, so that no part of the name is taken for a protocol.
        capture = open_capture(str(path.resolve()))
        if capture is None:
            raise DataError(f"cannot open the video {path}: {_reason(path)}")
        super().__init__(capture, path.name, remark=remark)
        self.path = path


def is_text(head: bytes) -> bool:
    """Tell whether a file that begins so is a text: every container has control characters."""
    return bool(head) and set(head) <= TEXT_BYTES


def _reason(path: Path) -> str:
    """Return why a video that OpenCV refuses may be refused."""
    try:
        kinds = dict(_boxes(path))
    except (OSError, struct.error):
        kinds = {}
    if b"ftyp" in kinds and b"moov" not in kinds:
        return "its index is missing, it was cut off or its recording not ended"
    return "it is damaged, or no video that OpenCV knows"


def _boxes(path: Path) -> Iterator[tuple[bytes, int]]:
    """Yield kind and size of the outermost boxes of an MP4 file (ISO/IEC 14496-12, 4.2)."""
    end = path.stat().st_size
    with path.open("rb") as stream:
        position = 0
        while position + 16 <= end:
            stream.seek(position)
            size, kind, large = struct.unpack(">I4sQ", stream.read(16))
            size = large if size == 1 else size
            yield kind, size
            if size < 8:  # 0: up to the end of the file
                return
            position += size
