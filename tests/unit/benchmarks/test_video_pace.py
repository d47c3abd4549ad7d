"""The measurement runs and reports what it measured; how fast this machine is, is no test."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hexdet.benchmarks.video import STAGES, VideoPace, describe, make_video, measure
from hexdet.errors import DataError
from hexdet.runtime.stream.video_files import VideoFile


@pytest.fixture
def bundle(make_bundle: Callable[..., Path]) -> Path:
    return make_bundle()


def test_the_made_video_has_the_frames_it_should(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=20, size=(64, 48))
    with VideoFile(path) as source:
        frames = list(source)
    assert len(frames) == 20
    assert frames[0].image.shape == (48, 64, 3)
    assert abs(frames[0].image.astype(int) - frames[-1].image).mean() > 1


@pytest.mark.parametrize("write", [True, False])
def test_all_stages_are_measured(bundle: Path, write: bool) -> None:
    pace = measure(bundle, frames=12, size=(64, 48), rounds=2, write=write)
    assert tuple(pace.stages_fps) == (STAGES if write else STAGES[:-1])
    assert (pace.frames, pace.image, pace.rounds, pace.threads) == (12, (64, 48), 2, 1)
    for value in (*pace.stages_fps.values(), pace.pipeline_fps, pace.ratio, pace.busy_cores):
        assert value > 0 and math.isfinite(value)
    assert pace.stages_fps[pace.slowest] == min(pace.stages_fps.values())


def test_a_given_video_is_measured_up_to_the_limit(bundle: Path, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", frames=20, size=(64, 48))
    assert measure(bundle, path, frames=15, rounds=1).frames == 15
    assert measure(bundle, path, frames=50, rounds=1).frames == 20


def test_a_missing_video_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.mp4"):
        measure(bundle, tmp_path / "none.mp4")


@pytest.mark.parametrize(("ratio", "word"), [(0.95, "reached"), (0.949, "missed")])
def test_the_verdict(ratio: float, word: str) -> None:
    pace = VideoPace(
        backend="int8 on onnxruntime CPU", video="a.mp4", image=(640, 360), frames=200, rounds=3,
        cores=2, threads=1, detections=6.0, stages_fps={"capture": 900.0, "network": 100.0},
        pipeline_fps=96.0, busy_cores=1.4, ratio=ratio,
    )  # fmt: skip
    text = describe(pace)
    assert "capture 900.0, network 100.0" in text
    assert "pipeline 96.0 fps on 1.40 cores, network alone 100.0 fps" in text
    assert f"ratio {ratio:.3f}, the required 0.95 {word}" in text
    assert replace(pace, ratio=1.0).slowest == "network"
