"""The pipeline: reading, preparing, the network and the post-processing, each in its own thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from ..detections import Detections
from ..detector import Detector
from ..images import Prepared
from .frames import Controls, Frame, FrameResult, Source, StageTimes, Tracker
from .handover import Handover

A = TypeVar("A")
B = TypeVar("B")

Outputs = tuple[Mapping[str, npt.NDArray[Any]], Prepared]
Found = tuple[Detections, npt.NDArray[np.int64] | None]

ROOM = 3
"""Frames between two stages of a file: enough that one slow frame leaves nobody without work."""


@dataclass(frozen=True, kw_only=True)
class _Job(Generic[A]):
    """A frame on its way: what the last stage made of it, and the time of every stage so far."""

    frame: Frame
    times_ms: tuple[float, ...]
    value: A


def run_stream(
    detector: Detector,
    source: Source,
    controls: Controls,
    *,
    live: bool,
    tracker: Tracker | None = None,
) -> Generator[FrameResult, None, None]:
    """Yield the result of every frame of a source, in order, as soon as it is there.

    live: every stage takes the newest frame there is, and the others are dropped, which the
        indices of the frames tell; otherwise none is lost, and a slow caller slows the source.
    controls: its thresholds are read for each frame. tracker: adds identities; its time counts
        as post-processing. An error of the source or of a stage is raised here, after the results
        of the frames before it. Whoever stops early closes the iterator; the threads then end.
    """

    def prepare(job: _Job[None]) -> Prepared:
        return detector.prepare(job.frame.image)

    def infer(job: _Job[Prepared]) -> Outputs:
        return detector.infer(job.value.pixels), job.value

    def finish(job: _Job[Outputs]) -> Found:
        outputs, prepared = job.value
        found = detector.finish(outputs, prepared.placement, controls.thresholds)
        return found, None if tracker is None else tracker.update(found)

    room = 1 if live else ROOM
    captured: Handover[_Job[None]] = Handover(room, newest=live)
    prepared: Handover[_Job[Prepared]] = Handover(room, newest=live)
    inferred: Handover[_Job[Outputs]] = Handover(room, newest=live)
    finished: Handover[_Job[Found]] = Handover(room, newest=live)
    handovers = (captured, prepared, inferred, finished)
    threads = [
        _thread("capture", lambda: _read(source, captured)),
        _thread("prepare", lambda: _work(prepare, captured, prepared)),
        _thread("infer", lambda: _work(infer, prepared, inferred)),
        _thread("finish", lambda: _work(finish, inferred, finished)),
    ]
    try:
        for thread in threads:
            thread.start()
        for job in finished:
            yield _result(job)
    finally:
        source.stop()
        for handover in handovers:
            handover.leave()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _thread(name: str, work: Callable[[], None]) -> threading.Thread:
    # Daemons: where the interpreter has to end at once, no camera holds it up.
    return threading.Thread(target=work, name=f"hexdet-{name}", daemon=True)


def _read(source: Iterable[Frame], outlet: Handover[_Job[None]]) -> None:
    try:
        begun = time.perf_counter()
        for frame in source:
            job = _Job(frame=frame, times_ms=(_since(begun),), value=None)
            if not outlet.put(job):
                break
            begun = time.perf_counter()
    except BaseException as error:
        outlet.end(error)
    else:
        outlet.end()


def _work(
    step: Callable[[_Job[A]], B], inlet: Handover[_Job[A]], outlet: Handover[_Job[B]]
) -> None:
    try:
        for job in inlet:
            begun = time.perf_counter()
            value = step(job)
            times_ms = (*job.times_ms, _since(begun))
            if not outlet.put(_Job(frame=job.frame, times_ms=times_ms, value=value)):
                break
    except BaseException as error:  # also what the stage before ended with
        outlet.end(error)
    else:
        outlet.end()
    finally:
        inlet.leave()


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


def _result(job: _Job[Found]) -> FrameResult:
    capture_ms, pre_ms, net_ms, post_ms = job.times_ms
    detections, identities = job.value
    return FrameResult(
        frame=job.frame,
        detections=detections,
        times=StageTimes(capture_ms=capture_ms, pre_ms=pre_ms, net_ms=net_ms, post_ms=post_ms),
        identities=identities,
    )
