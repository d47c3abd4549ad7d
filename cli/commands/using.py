"""Commands for the machine where a bundle is used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    AsJson,
    BundleFolder,
    JobChoice,
    PlaceChoice,
    PrecisionChoice,
    SaveChoice,
)
from ..terminal.quiet import quiet_video_libraries

commands = typer.Typer()


@commands.command(
    epilog="Example: hexdet detect build/heads street.jpg --score 0.4; "
    "hexdet detect build/heads street.mp4 --track; "
    "hexdet detect build/heads rtsp://camera/stream --serve 127.0.0.1:8080"
)
def detect(
    bundle: BundleFolder,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="An image, folder, pattern or video, a camera's number, an rtsp or http address.",
        ),
    ],
    output: Annotated[Path, typer.Option("--out", help="Where results go.")] = Path("detections"),
    save: Annotated[
        list[SaveChoice] | None,
        typer.Option(help="Repeatable; else what suits the source, of a live one nothing."),
    ] = None,
    backend: Annotated[
        PlaceChoice, typer.Option(help="auto: a Snapdragon board's own DSP, else the CPU.")
    ] = PlaceChoice.auto,
    precision: Annotated[PrecisionChoice, typer.Option()] = PrecisionChoice.int8,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the network on the CPU; else all cores but one.")
    ] = None,
    score: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Least score.")] = None,
    max_frames: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many frames.")
    ] = None,
    track: Annotated[bool, typer.Option("--track", help="Give every object an identity.")] = False,
    serve: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Show the stream on a web page.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; of a stream one line a frame.")
    ] = False,
) -> None:
    """Detect objects in images, a video or a live stream.

    Of images, annotated images and detections.json are written.

    Of a video, an annotated video and JSON lines, one a frame.

    Of a camera or stream nothing, but with --save; the newest frame wins.

    Ctrl-C ends it with exit code 130 and keeps what was processed.
    """
    quiet_video_libraries()
    from ..verbs.detect import Wishes
    from ..verbs.detect import detect as run

    wishes = Wishes(
        output=output,
        save=[choice.value for choice in save or ()],
        backend=backend.value,
        precision=precision.value,
        threads=threads,
        score=score,
        max_frames=max_frames,
        track=track,
        serve=serve,
        as_json=as_json,
    )
    code = run(bundle, source, wishes)
    if code != 0:
        raise typer.Exit(code)


@commands.command(epilog="Example: hexdet doctor; hexdet doctor --for detect")
def doctor(
    job: Annotated[
        JobChoice, typer.Option("--for", help="detect: what a board needs; export: the main job.")
    ] = JobChoice.export,
    as_json: AsJson = False,
) -> None:
    """Look whether this machine can do the work, and say what to do where it cannot.

    A network is really run on the emulated Hexagon and a DLC really written.

    No adb server is started. Exit code 1 if the job named by --for cannot run.
    """
    from ..verbs.doctor import doctor as run

    code = run(job.value, as_json)
    if code != 0:
        raise typer.Exit(code)
