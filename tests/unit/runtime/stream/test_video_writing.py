"""The annotated video: every frame of a file, the true speed of a live source, always playable."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from hexdet.errors import ArtifactError
from hexdet.runtime.stream import video_writing
from hexdet.runtime.stream.frames import FrameResult
from hexdet.runtime.stream.video_writing import VideoSink

MakeResult = Callable[..., FrameResult]


def take(sink: VideoSink, result: FrameResult) -> None:
    sink.take(result, result.frame.image)


def play(path: Path) -> tuple[list[npt.NDArray[np.uint8]], float]:
    """Return the frames of a video and its rate."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    assert capture.isOpened()
    frames = []
    while True:
        good, image = capture.read()
        if not good:
            break
        frames.append(np.asarray(image, np.uint8))
    fps = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return frames, fps


def test_every_frame_is_written_once(make_result: MakeResult, tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a.b", fps=12.5, live=False) as sink:
        for index in (0, 1, 2, 10, 11):  # those between could not be decoded
            take(sink, make_result(index, tone=20 * index))
        assert [p.name[0] for p in tmp_path.iterdir()] == ["."]
    assert [p.name for p in tmp_path.iterdir()] == ["a.b.mp4"]
    assert sink.written == [tmp_path / "a.b.mp4"]
    frames, fps = play(tmp_path / "a.b.mp4")
    assert fps == pytest.approx(12.5)
    assert [round(float(f.mean()) / 20) for f in frames] == [0, 1, 2, 10, 11]


@pytest.mark.parametrize(
    ("size", "written"), [((301, 201), (302, 202)), ((64, 49), (64, 50)), ((7, 5), (8, 6))]
)
def test_odd_sizes_are_padded_and_nothing_is_cut(
    make_result: MakeResult, tmp_path: Path, size: tuple[int, int], written: tuple[int, int]
) -> None:
    result = make_result(size=size)
    result.frame.image[-2:, :] = 250
    result.frame.image[:, -2:] = 250
    with VideoSink(tmp_path / "odd", fps=25, live=False) as sink:
        for _ in range(3):
            take(sink, result)
    frames, _ = play(sink.path)
    height, width = frames[0].shape[:2]
    assert (width, height) == written
    assert frames[0][-2:, :].mean() > 220 and frames[0][:, -2:].mean() > 220


def test_a_frame_of_another_size_is_fitted_in(make_result: MakeResult, tmp_path: Path) -> None:
    with VideoSink(tmp_path / "a", fps=25, live=False) as sink:
        for size in ((64, 48), (200, 100), (32, 90)):
            take(sink, make_result(size=size))
    frames, _ = play(sink.path)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3


@pytest.mark.parametrize(
    ("moments", "tones"),
    [
        ([0.0, 0.1, 0.2, 0.3], [0, 1, 2, 3]),
        ([5.0, 5.1, 5.5, 5.6], [0, 1, 1, 1, 1, 2, 3]),
        ([0.0, 0.01, 0.02, 0.03, 0.1, 0.2], [0, 1, 4, 5]),
        ([0.0, 0.1, 60.0, 60.1], [0, 1, *[1] * 100, 2, 3]),
    ],
    ids=("steady", "a gap", "a burst", "long away"),
)
def test_a_live_recording_keeps_the_time(
    make_result: MakeResult, tmp_path: Path, moments: list[float], tones: list[int]
) -> None:
    with VideoSink(tmp_path / "live", fps=10, live=True) as sink:
        for index, seconds in enumerate(moments):
            result = make_result(index, tone=40 * index)
            take(sink, replace(result, frame=replace(result.frame, seconds=seconds)))
    frames, _ = play(sink.path)
    assert [round(float(frame.mean()) / 40) for frame in frames] == tones


def test_an_early_end_leaves_a_playable_video(make_result: MakeResult, tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "a", fps=25, live=False)
    with contextlib.suppress(KeyboardInterrupt), sink:
        for index in range(5):
            take(sink, make_result(index))
        raise KeyboardInterrupt
    assert len(play(tmp_path / "a.mp4")[0]) == 5


def test_without_a_frame_the_old_video_stays(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"old")
    with VideoSink(tmp_path / "a", fps=None, live=False) as sink:
        pass
    assert sink.written == []
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"old"


def test_a_disk_that_fills_up_keeps_what_is_there(
    make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = iter([10**9, 10**9, 10**9])

    def usage(path: Path) -> object:
        return shutil._ntuple_diskusage(10**10, 0, next(free, 1000))  # type: ignore[attr-defined]

    monkeypatch.setattr(video_writing.shutil, "disk_usage", usage)

    def write() -> None:
        with VideoSink(tmp_path / "a", fps=25, live=False) as sink:
            for index in range(1000):
                take(sink, make_result(index))

    with pytest.raises(ArtifactError, match="No space left"):
        write()
    frames, _ = play(tmp_path / "a.mp4")
    assert 0 < len(frames) < 1000
    assert len(frames) % video_writing.CHECK_EVERY == 0


def test_a_disk_that_is_full_is_refused_before_the_first_frame(
    make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_writing, "RESERVE_BYTES", 2**62)
    with VideoSink(tmp_path / "a", fps=25, live=False) as sink, pytest.raises(ArtifactError):
        take(sink, make_result())
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_did_not_arrive_is_an_error(
    make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV's writer reports nothing: what it wrote is counted."""
    monkeypatch.setattr(video_writing, "_count", lambda path: 1)
    sink = VideoSink(tmp_path / "a", fps=25, live=False)
    take(sink, make_result(0))
    take(sink, make_result(1))
    with pytest.raises(ArtifactError, match="1 of 2 frames arrived"):
        sink.close()
    assert list(tmp_path.iterdir()) == []


def test_the_last_codec_is_the_one_that_every_opencv_has(
    make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_writing, "CODECS", (("none", ".mp4"), ("MJPG", ".avi")))
    with VideoSink(tmp_path / "a", fps=25, live=False) as sink:
        take(sink, make_result())
    assert [p.name for p in tmp_path.iterdir()] == ["a.avi"]
    assert len(play(sink.path)[0]) == 1


def test_no_codec_is_an_error(
    make_result: MakeResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_writing, "CODECS", (("none", ".avi"),))
    sink = VideoSink(tmp_path / "a", fps=25, live=False)
    with pytest.raises(ArtifactError, match="no encoder"):
        take(sink, make_result())
    sink.close()
    assert list(tmp_path.iterdir()) == []
