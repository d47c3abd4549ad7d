"""Results as a pipeline would hand them on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from hexdet.runtime.detections import Detections
from hexdet.runtime.stream.frames import Frame, FrameResult, StageTimes

MakeResult = Callable[..., FrameResult]
MakeVideo = Callable[..., Path]


@pytest.fixture
def make_result() -> MakeResult:
    """Return a function that makes the result of a grey frame with `count` boxes."""

    def make(
        index: int = 0,
        *,
        tone: int = 60,
        count: int = 1,
        size: tuple[int, int] = (64, 48),
        net_ms: float = 3.0,
    ) -> FrameResult:
        corner = np.arange(count, dtype=np.float32)[:, None] * 4 + 8
        return FrameResult(
            frame=Frame(
                index=index,
                seconds=index / 25,
                image=np.full((size[1], size[0], 3), tone, np.uint8),
            ),
            detections=Detections(
                boxes=np.concatenate([corner, corner, corner + 10, corner + 10], axis=1),
                scores=np.full(count, 0.5, np.float32),
                labels=np.ones(count, np.int64),
                classes=("head",),
            ),
            times=StageTimes(capture_ms=1.0, pre_ms=2.0, net_ms=net_ms, post_ms=4.0),
        )

    return make


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Return a function that writes a video whose frame n is grey of 8 n, and returns its path."""

    def make(
        name: str = "grey.mp4",
        *,
        count: int = 20,
        size: tuple[int, int] = (64, 48),
        codec: str = "mp4v",
        fps: float = 25.0,
    ) -> Path:
        path = tmp_path / name
        writer = cv2.VideoWriter(
            str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, size
        )
        assert writer.isOpened()
        for index in range(count):
            writer.write(np.full((size[1], size[0], 3), 8 * index % 256, np.uint8))
        writer.release()
        return path

    return make
