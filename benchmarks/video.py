"""How close the video pipeline comes to its slowest stage, which no pipeline can outrun."""

from __future__ import annotations

import contextlib
import os
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ..datasets.scenes import Scenes
from ..errors import DataError
from ..runtime.detector import Detector
from ..runtime.scratch import scratch_folder
from ..runtime.signature import Precision
from ..runtime.stream.drawing import draw_result
from ..runtime.stream.frames import Controls, Frame, FrameResult, StageTimes
from ..runtime.stream.pipeline import run_stream
from ..runtime.stream.sinks import JsonLines, Sink
from ..runtime.stream.video_files import VideoFile
from ..runtime.stream.video_writing import VideoSink

REQUIRED_RATIO = 0.95
WARM_UP = 10
SCENES = 8
FPS = 25.0
MOST_BYTES = 2**30
"""All frames are kept, so that every stage has the same ones: of large ones there are fewer."""
STAGES = ("capture", "prepare", "network", "finish", "draw and write")
NO_TIMES = StageTimes(capture_ms=0.0, pre_ms=0.0, net_ms=0.0, post_ms=0.0)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class VideoPace:
    """Frames a second of every stage alone and of the pipeline over the same frames.

    stages_fps: medians of `rounds`. ratio: the median over the rounds of what the pipeline reached
    of the stage that was slowest in the same round. threads: of the network. busy_cores: used by
    the pipeline on average; where that is all of them, the cores are the limit and no stage is.
    """

    backend: str
    video: str
    image: tuple[int, int]
    frames: int
    rounds: int
    cores: int
    threads: int
    detections: float
    stages_fps: Mapping[str, float]
    pipeline_fps: float
    busy_cores: float
    ratio: float

    @property
    def slowest(self) -> str:
        """Return the name of the slowest stage."""
        return min(self.stages_fps, key=lambda name: self.stages_fps[name])


def measure(
    bundle: Path,
    video: Path | None = None,
    *,
    frames: int = 500,
    size: tuple[int, int] = (640, 360),
    precision: Precision = "int8",
    score: float | None = None,
    threads: int = 1,
    rounds: int = 3,
    write: bool = True,
) -> VideoPace:
    """Time the stages one by one and then all at once, over the first `frames` of a video.

    video: a file; where None, one of rendered scenes of `size` (width, height) is made.
    threads: of the network on the CPU; with one the stages beside it have the other cores.
    write: whether boxes are drawn and an annotated video and JSON lines written: the last stage.
    Opening and completing the files takes a fixed time, here of the pipeline's: the fewer frames,
    the more it weighs.
    Raises DataError for a video that cannot be read.
    """
    with (
        scratch_folder() as folder,
        Detector.load(bundle, backend="cpu", precision=precision, threads=threads) as detector,
    ):
        path = video or make_video(folder / "scenes.mp4", frames=frames, size=size)
        controls = Controls(detector.thresholds(score=score))
        case = _Case(detector, controls, path, frames, folder if write else None)
        found = case.warm_up()
        alone: dict[str, list[float]] = {}
        together, busy, ratios = [], [], []
        for _ in range(rounds):
            stages = case.alone()
            for name, fps in stages.items():
                alone.setdefault(name, []).append(fps)
            processor_s, begun = time.process_time(), time.perf_counter()
            together.append(case.together())
            busy.append((time.process_time() - processor_s) / (time.perf_counter() - begun))
            ratios.append(together[-1] / min(stages.values()))
    return VideoPace(
        backend=detector.backend.name,
        video=path.name,
        image=case.size,
        frames=len(case.frames),
        rounds=rounds,
        cores=os.cpu_count() or 1,
        threads=threads,
        detections=found,
        stages_fps={name: statistics.median(values) for name, values in alone.items()},
        pipeline_fps=statistics.median(together),
        busy_cores=statistics.median(busy),
        ratio=statistics.median(ratios),
    )


def make_video(path: Path, *, frames: int, size: tuple[int, int]) -> Path:
    """Write a video of a camera that moves over rendered scenes, and return its path."""
    width, height = size
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, size)
    if not writer.isOpened():
        raise DataError(f"this OpenCV cannot write {path}: give a video")
    scenes = Scenes(split="test", count=SCENES, seed=0)
    room = (width * 5 // 4, height * 5 // 4)
    shown = [cv2.resize(scenes[n].image, room) for n in range(SCENES)]
    for index in range(frames):
        large = shown[index * SCENES // frames]
        x = round(width / 4 * (0.5 + 0.5 * np.sin(index / FPS)))
        y = round(height / 4 * (0.5 + 0.5 * np.cos(0.7 * index / FPS)))
        writer.write(np.ascontiguousarray(large[y : y + height, x : x + width]))
    writer.release()
    return path


class _Case:
    """A detector and a video, and the two ways to run one over the other."""

    def __init__(
        self, detector: Detector, controls: Controls, path: Path, limit: int, folder: Path | None
    ) -> None:
        self.detector = detector
        self.controls = controls
        self.path = path
        self.folder = folder
        self.limit = 1
        one = self._read()[0].image.nbytes
        self.limit = min(limit, max(MOST_BYTES // one, WARM_UP))
        self.frames = self._read()

    @property
    def size(self) -> tuple[int, int]:
        """Return width and height of the frames."""
        height, width = self.frames[0].image.shape[:2]
        return width, height

    def warm_up(self) -> float:
        """Run some frames; returns the mean number of detections."""
        thresholds = self.controls.thresholds
        return statistics.mean(
            len(self.detector(frame.image, thresholds=thresholds))
            for frame in self.frames[:WARM_UP]
        )

    def _read(self) -> list[Frame]:
        with VideoFile(self.path) as source:
            return list(islice(source, self.limit))

    def alone(self) -> dict[str, float]:
        """Return the frames a second of each stage with nothing beside it."""
        detector, thresholds = self.detector, self.controls.thresholds
        moments = [time.perf_counter()]
        self.frames = self._read()
        moments.append(time.perf_counter())
        prepared = [detector.prepare(frame.image) for frame in self.frames]
        moments.append(time.perf_counter())
        outputs = [detector.infer(one.pixels) for one in prepared]
        moments.append(time.perf_counter())
        found = [
            detector.finish(values, one.placement, thresholds)
            for values, one in zip(outputs, prepared, strict=True)
        ]
        moments.append(time.perf_counter())
        self._keep(
            FrameResult(frame=frame, detections=detections, times=NO_TIMES)
            for frame, detections in zip(self.frames, found, strict=True)
        )
        moments.append(time.perf_counter())
        names = STAGES if self.folder else STAGES[:-1]
        spent_s = dict(zip(names, np.diff(moments).tolist(), strict=False))
        return {name: len(self.frames) / seconds for name, seconds in spent_s.items()}

    def together(self) -> float:
        """Return the frames a second of the whole pipeline."""
        begun = time.perf_counter()
        with VideoFile(self.path) as source:
            results = run_stream(self.detector, source, self.controls, live=False)
            with contextlib.closing(results):
                self._keep(islice(results, len(self.frames)))
        return len(self.frames) / (time.perf_counter() - begun)

    def _keep(self, results: Iterable[FrameResult]) -> None:
        """Draw and write results as `hexdet detect` does, or only take them."""
        with contextlib.ExitStack() as stack:
            sinks: list[Sink] = []
            if self.folder is not None:
                sinks.append(VideoSink(self.folder / "annotated", fps=FPS, live=False))
                sinks.append(JsonLines(self.folder / "found.jsonl"))
            for sink in sinks:
                stack.enter_context(sink)
            for result in results:
                picture = draw_result(result) if sinks else None
                for sink in sinks:
                    sink.take(result, picture)


def describe(pace: VideoPace) -> str:
    """Return the measurement in three lines."""
    width, height = pace.image
    verdict = "reached" if pace.ratio >= REQUIRED_RATIO else "missed"
    stages = ", ".join(f"{name} {fps:.1f}" for name, fps in pace.stages_fps.items())
    return (
        f"{pace.video}: {pace.frames} frames of {width}x{height}, {pace.detections:.1f} detections "
        f"a frame; {pace.backend}, {pace.threads} thread(s) of {pace.cores} cores, "
        f"p50 of {pace.rounds} rounds\n"
        f"each stage alone, fps: {stages}\n"
        f"pipeline {pace.pipeline_fps:.1f} fps on {pace.busy_cores:.2f} cores, "
        f"{pace.slowest} alone {pace.stages_fps[pace.slowest]:.1f} fps: ratio {pace.ratio:.3f}, "
        f"the required {REQUIRED_RATIO:g} {verdict}"
    )
