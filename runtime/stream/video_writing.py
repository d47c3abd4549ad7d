"""The annotated video: playable whenever the writing ends, and under its name only then."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import AbstractContextManager
from pathlib import Path

import cv2
import numpy as np

from ...errors import ArtifactError
from ..files import replacing
from .captures import announced_count, open_capture
from .frames import FrameResult
from .sinks import Picture, Sink
from .video_files import USUAL_FPS

CODECS = (("avc1", ".mp4"), ("mp4v", ".mp4"), ("MJPG", ".avi"))
"""In the order of preference; which of them an OpenCV can write depends on how it was built."""
RESERVE_BYTES = 8 * 2**20
"""Kept free for the index, which an MP4 file gets at its end and is unplayable without."""
INDEX_BYTES = 64
"""Of each frame in the index, generously."""
CHECK_EVERY = 16
LONGEST_STILL_S = 10.0
"""A live picture that stays away for longer is not made up for in the recording."""


class VideoSink(Sink):
    """Writes frames into a video of the first one's size, padded to even sides.

    Of a file every frame is written once; of a live source a frame is repeated until the next
    came, so that the recording runs as fast as what it shows. The video lies under its name when
    it is closed, however that comes about; `base` lacks the suffix, that comes with the codec.
    """

    pictures = True

    def __init__(self, base: Path, *, fps: float | None, live: bool) -> None:
        super().__init__()
        self.path = base
        self._base = base
        self._fps = fps or USUAL_FPS
        self._live = live
        self._writer: cv2.VideoWriter | None = None
        self._file: AbstractContextManager[Path] | None = None
        self._temporary = base
        self._size = (0, 0)
        self._count = 0
        self._first_s = 0.0
        self._last: Picture | None = None

    def take(self, result: FrameResult, picture: Picture | None) -> None:
        """Write a frame; ArtifactError where the disk is nearly full: what is there is kept."""
        if picture is None:
            raise ValueError("a video needs the picture of every frame")
        if self._writer is None:
            self._open(picture)
            self._first_s = result.frame.seconds
        fitted = self._fit(picture)
        if not self._live or self._is_due(result.frame.seconds):
            self._write(fitted)
        self._last = fitted

    def _open(self, picture: Picture) -> None:
        height, width = picture.shape[:2]
        self._size = (width + width % 2, height + height % 2)  # half as much colour as light
        for codec, suffix in CODECS:
            self.path = self._base.with_name(self._base.name + suffix)
            file = replacing(self.path)
            self._temporary, self._file = file.__enter__(), file
            self._check_space()
            writer = cv2.VideoWriter(
                str(self._temporary), cv2.VideoWriter.fourcc(*codec), self._fps, self._size
            )
            if writer.isOpened():
                self._writer = writer
                return
            self._discard()
        raise ArtifactError(f"cannot write {self.path}: this OpenCV has no encoder for video")

    def _fit(self, picture: Picture) -> Picture:
        width, height = self._size
        rows, columns = picture.shape[:2]
        if not (0 <= width - columns < 2 and 0 <= height - rows < 2):
            # The source changed its size on the way.
            return np.asarray(
                cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA), np.uint8
            )
        if (columns, rows) == self._size:
            return picture
        return np.asarray(
            cv2.copyMakeBorder(picture, 0, height - rows, 0, width - columns, cv2.BORDER_REPLICATE),
            np.uint8,
        )

    def _is_due(self, seconds: float) -> bool:
        """Repeat the last frame of a live source up to a moment, tell whether one is due then."""
        due = round((seconds - self._first_s) * self._fps)
        most = round(LONGEST_STILL_S * self._fps)
        if due - self._count > most:
            self._first_s += (due - self._count - most) / self._fps
            due = self._count + most
        while self._last is not None and self._count < due:
            self._write(self._last)
        return self._count <= due + 1

    def _write(self, picture: Picture) -> None:
        assert self._writer is not None
        if self._count % CHECK_EVERY == 0:
            self._check_space()
        self._writer.write(picture)
        self._count += 1

    def _check_space(self) -> None:
        try:
            free = shutil.disk_usage(self._temporary.parent).free
        except OSError as error:
            raise ArtifactError(f"cannot write {self.path}: {error.strerror}") from error
        if free < RESERVE_BYTES + INDEX_BYTES * self._count:
            raise ArtifactError(f"cannot write {self.path}: {os.strerror(errno.ENOSPC)}")

    def close(self) -> None:
        """Complete the video; ArtifactError where it then does not hold what was written."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.release()
        if self._file is None:
            return
        if self._count == 0:
            self._discard()
            return
        kept = _count(self._temporary)
        if kept < self._count:
            self._discard()
            raise ArtifactError(
                f"cannot write {self.path}: {kept} of {self._count} frames arrived; "
                f"is the disk full?"
            )
        file, self._file = self._file, None
        file.__exit__(None, None, None)
        self.written.append(self.path)

    def _discard(self) -> None:
        """Remove the temporary file; what lay under the name before stays."""
        if self._file is not None:
            file, self._file = self._file, None
            error = ArtifactError("nothing to keep")
            file.__exit__(ArtifactError, error, None)


def _count(path: Path) -> int:
    """Return how many frames a video announces, 0 where it cannot be opened."""
    capture = open_capture(str(path.resolve()))
    if capture is None:
        return 0
    try:
        return announced_count(capture) or 0
    finally:
        capture.release()
