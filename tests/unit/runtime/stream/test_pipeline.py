"""The pipeline gives what the detector gives, loses nothing of a file, and always ends."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hexdet.errors import DataError
from hexdet.runtime.contract import Thresholds
from hexdet.runtime.detections import Detections
from hexdet.runtime.detector import Detector
from hexdet.runtime.stream.frames import Controls, Frame, Source
from hexdet.runtime.stream.pipeline import run_stream

MakeBundle = Callable[..., Path]


class TroubleError(Exception):
    """What a stage of these tests raises."""


class Numbered(Source):
    """Frames of noise, different each; raises `error` before frame `fails_at`."""

    def __init__(
        self,
        count: int,
        *,
        fails_at: int | None = None,
        error: BaseException | None = None,
        pause_s: float = 0.0,
    ) -> None:
        self.given = 0
        self._total = count
        self._fails_at = fails_at
        self._error = error or TroubleError("capture")
        self._pause_s = pause_s

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._total):
            if self._stopped:
                return
            if index == self._fails_at:
                raise self._error
            time.sleep(self._pause_s)
            self.given += 1
            yield Frame(index=index, seconds=index / 25, image=noise(index))


def noise(seed: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (24, 40, 3)).astype(np.uint8)


@pytest.fixture
def detector(make_bundle: MakeBundle) -> Iterator[Detector]:
    with Detector.load(make_bundle(), backend="cpu", threads=1) as detector:
        yield detector


@pytest.fixture(autouse=True)
def all_threads_end() -> Iterator[None]:
    yield
    left = [t.name for t in threading.enumerate() if t.name.startswith("hexdet-")]
    assert left == []


@pytest.mark.parametrize("live", [False, True])
def test_a_source_without_frames_gives_no_result(detector: Detector, live: bool) -> None:
    controls = Controls(detector.thresholds())
    assert list(run_stream(detector, Numbered(0), controls, live=live)) == []


def test_every_frame_of_a_file_gives_what_the_detector_gives(detector: Detector) -> None:
    controls = Controls(detector.thresholds(score=0.0))
    results = list(run_stream(detector, Numbered(60), controls, live=False))
    assert [result.frame.index for result in results] == list(range(60))
    for result in results:
        alone = detector(noise(result.frame.index), score=0.0)
        np.testing.assert_array_equal(result.detections.boxes, alone.boxes)
        np.testing.assert_array_equal(result.detections.scores, alone.scores)
        assert result.identities is None
        times = result.times
        assert min(times.capture_ms, times.pre_ms, times.net_ms, times.post_ms) >= 0
    assert sum(len(result.detections) for result in results) > 60


def test_thresholds_act_while_it_runs(detector: Detector) -> None:
    controls = Controls(detector.thresholds(score=0.0))
    counts = []
    with closing(run_stream(detector, Numbered(80), controls, live=False)) as results:
        for result in results:
            counts.append(len(result.detections))
            if result.frame.index == 10:
                controls.thresholds = Thresholds(score=1.0)
    assert min(counts[:10]) > 0
    assert max(counts[40:]) == 0


def test_a_tracker_sees_every_frame_in_order(detector: Detector) -> None:
    class Counting:
        calls = 0

        def update(self, detections: Detections) -> npt.NDArray[np.int64]:
            self.calls += 1
            return np.full(len(detections), self.calls, np.int64)

    controls = Controls(detector.thresholds(score=0.0))
    source = Numbered(30)
    for result in run_stream(detector, source, controls, live=False, tracker=Counting()):
        assert result.identities is not None
        expected = np.full(len(result.detections), result.frame.index + 1)
        np.testing.assert_array_equal(result.identities, expected)


def test_live_the_newest_frame_wins_over_a_slow_taker(detector: Detector) -> None:
    source = Numbered(200, pause_s=0.002)
    controls = Controls(detector.thresholds())
    indices = []
    for result in run_stream(detector, source, controls, live=True):
        indices.append(result.frame.index)
        time.sleep(0.02)
    assert indices == sorted(set(indices))
    assert indices[-1] == 199  # the last one stays, whatever was dropped
    assert len(indices) < 200
    assert source.given == 200  # the source was never held up


def test_a_slow_taker_of_a_file_loses_nothing_and_slows_the_source(detector: Detector) -> None:
    source = Numbered(1000)
    controls = Controls(detector.thresholds())
    with closing(run_stream(detector, source, controls, live=False)) as results:
        for index in range(5):
            assert next(results).frame.index == index
            time.sleep(0.02)
        assert source.given < 40


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("taken", [0, 1, 7])
def test_a_taker_who_stops_early_ends_the_threads(
    detector: Detector, live: bool, taken: int
) -> None:
    source = Numbered(100_000, pause_s=0.001 if live else 0)
    controls = Controls(detector.thresholds())
    with closing(run_stream(detector, source, controls, live=live)) as results:
        for _ in range(taken):
            next(results)
    assert source.given < 100_000


def failing(detector: Detector, stage: str, call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one stage of a detector raise at its call number `call`, from 0."""
    before: Callable[..., Any] = getattr(detector, stage)
    calls = iter(range(1_000_000))

    def step(*arguments: Any) -> Mapping[str, Any]:
        if next(calls) == call:
            raise TroubleError(stage)
        return before(*arguments)  # type: ignore[no-any-return]

    monkeypatch.setattr(detector, stage, step)


@pytest.mark.parametrize("seed", range(24))
def test_an_error_of_any_stage_surfaces_as_itself(
    detector: Detector, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    stage = ("capture", "prepare", "infer", "finish")[seed % 4]
    call, live = rng.randrange(40), rng.random() < 0.5
    source = Numbered(60, fails_at=call if stage == "capture" else None)
    if stage != "capture":
        failing(detector, stage, call if not live else 0, monkeypatch)
    controls = Controls(detector.thresholds())
    indices = []

    def take_all() -> None:
        for result in run_stream(detector, source, controls, live=live):
            indices.append(result.frame.index)
            time.sleep(rng.choice((0, 0.001)))

    with pytest.raises(TroubleError, match=stage):
        take_all()
    if not live:
        assert indices == list(range(call))  # nothing that was finished is lost


def test_a_damaged_video_gives_its_good_frames_first(detector: Detector) -> None:
    source = Numbered(60, fails_at=20, error=DataError("damaged"))
    controls = Controls(detector.thresholds())
    results = run_stream(detector, source, controls, live=False)
    assert [next(results).frame.index for _ in range(20)] == list(range(20))
    with pytest.raises(DataError, match="damaged"):
        next(results)


def test_an_error_of_the_taker_ends_the_threads(detector: Detector) -> None:
    source = Numbered(10_000)
    controls = Controls(detector.thresholds())

    def take_some() -> None:
        with closing(run_stream(detector, source, controls, live=False)) as results:
            for result in results:
                if result.frame.index == 3:
                    raise TroubleError

    with pytest.raises(TroubleError):
        take_some()
    assert source.given < 10_000
