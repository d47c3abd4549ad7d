"""The verb `detect`: images, videos and cameras in, results out; needs the base install only."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ...errors import ToolError
from ...runtime.backend import Precision
from ...runtime.cores import available_cores
from ...runtime.detector import BackendName, Detector
from ...runtime.stream.drawing import draw_result
from ...runtime.stream.frames import Controls, FrameResult, Source
from ...runtime.stream.image_files import ImageFiles
from ...runtime.stream.meter import Meter
from ...runtime.stream.outputs import Kind, open_sinks, usual_kinds
from ...runtime.stream.pipeline import run_stream
from ...runtime.stream.serving import LivePage, is_loopback, parse_address
from ...runtime.stream.sinks import Document, Images, Sink, to_line
from ...runtime.stream.sources import open_source
from ...runtime.stream.stopping import Interruption, stopping_on_signals
from ...runtime.stream.tracking import Tracker
from ..terminal import console

STEP_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the user asked for; where `save` is empty, what suits the source."""

    output: Path
    save: Sequence[Kind] = ()
    backend: BackendName = "auto"
    precision: Precision = "int8"
    threads: int | None = None
    score: float | None = None
    max_frames: int | None = None
    track: bool = False
    serve: str | None = None
    as_json: bool = False


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One run: what is read, what finds, and where the results go."""

    source: Source
    detector: Detector
    sinks: list[Sink]
    document: Document | None
    page: LivePage | None
    controls: Controls
    meter: Meter
    wishes: Wishes


def detect(bundle: Path, text: str, wishes: Wishes) -> int:
    """Detect objects in whatever `text` names; returns the exit code.

    0, or 128 and a signal's number where one ended it. However it ends, what was processed is
    kept. Raises DataError or DeviceError where nothing can be read any more.
    """
    address = None if wishes.serve is None else parse_address(wishes.serve)
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_source(text, remark=console.warn))
        detector = stack.enter_context(
            Detector.load(
                bundle,
                backend=wishes.backend,
                precision=wishes.precision,
                # One core is for the stages beside the network.
                threads=wishes.threads or max(1, len(available_cores()) - 1),
            )
        )
        kinds = wishes.save or usual_kinds(source)
        sinks = open_sinks(source, wishes.output, kinds, detector.backend.name)
        document = next((sink for sink in sinks if isinstance(sink, Document)), None)
        if document is None and wishes.as_json and isinstance(source, ImageFiles):
            document = Document(None, detector.backend.name, {})
            sinks.append(document)
        controls = Controls(detector.thresholds(score=wishes.score))
        page = None
        if address is not None:
            page = stack.enter_context(LivePage(*address, controls))
            if not is_loopback(address[0]):
                console.warn("whoever reaches the live page sees the stream: it asks for no key")
            console.say(f"live page: {page.url}")
        job = _Job(
            source=source,
            detector=detector,
            sinks=sinks,
            document=document,
            page=page,
            controls=controls,
            meter=Meter(),
            wishes=wishes,
        )
        interruption = stack.enter_context(stopping_on_signals(source))
        try:
            _run(job, interruption)
        except Exception as error:
            # Ctrl-C reaches the processes that a backend works with as well.
            asked = interruption.number is not None and isinstance(error, ToolError)
            if job.meter.frames and not asked:
                console.warn(f"ended early, kept is {_kept(job)}")
            if not asked:
                raise
    if interruption.number is not None:
        console.warn(f"interrupted, kept is {_kept(job)}")
        return 128 + interruption.number
    _conclude(job)
    return 0


def _run(job: _Job, interruption: Interruption) -> None:
    """Send the frames through; the sinks are complete afterwards, also after an error."""
    source, wishes = job.source, job.wishes
    tracker = Tracker() if wishes.track else None
    pictures = any(sink.pictures for sink in job.sinks)
    title = f"{source.name} on {job.detector.backend.name}"
    with contextlib.ExitStack() as stack:
        show = stack.enter_context(console.stream_line(title, source, wishes.max_frames))
        for sink in job.sinks:
            stack.enter_context(sink)
        results = run_stream(job.detector, source, job.controls, live=source.live, tracker=tracker)
        stack.enter_context(contextlib.closing(results))
        begun = time.monotonic()
        for result in islice(results, wishes.max_frames):
            if job.page is not None and not source.live:
                _wait(begun + result.frame.seconds, interruption)
            _keep(job, result, pictures)
            show(job.meter)
            if interruption.number is not None:
                break


def _keep(job: _Job, result: FrameResult, pictures: bool) -> None:
    picture = draw_result(result) if pictures else None
    for sink in job.sinks:
        sink.take(result, picture)
    if job.page is not None:
        job.page.show(result)
    if job.wishes.as_json and job.document is None:
        console.print_line(to_line(result))
    job.meter.add(result)


def _wait(moment_s: float, interruption: Interruption) -> None:
    """Wait for the moment at which a frame is due: who watches a file wants it at its own speed."""
    while interruption.number is None and (left_s := moment_s - time.monotonic()) > 0:
        time.sleep(min(left_s, STEP_S))


def _conclude(job: _Job) -> None:
    """Print the result, or in one line what was found and where it is."""
    if job.wishes.as_json:
        if job.document is not None:
            console.print_json(job.document.content)
        return
    console.out.print(_kept(job), markup=False)


def _kept(job: _Job) -> str:
    """Return what was processed and which files it is in."""
    meter, source = job.meter, job.source
    what = "image(s)" if isinstance(source, ImageFiles) else "frame(s)"
    text = f"{meter.detections} detections in {meter.frames} {what}"
    if isinstance(source, ImageFiles) and source.skipped:
        text += f", {source.skipped} unreadable and skipped"
    elif source.live and meter.lost:
        text += f", {meter.lost} dropped to stay with the newest"
    if not isinstance(source, ImageFiles):
        pace = meter.overall()
        text += (
            f", {pace.fps:.1f} fps (pre {pace.pre_ms:.1f}, net {pace.net_ms:.1f}, "
            f"post {pace.post_ms:.1f} ms a frame)"
        )
    files = [
        f"{len(sink.written)} annotated in {sink.written[0].parent}"
        if isinstance(sink, Images)
        else str(sink.written[0])
        for sink in job.sinks
        if sink.written
    ]
    return f"{text}: {', '.join(files)}" if files else text
