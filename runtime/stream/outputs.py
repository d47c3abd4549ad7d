"""Which files the results of a source go into, and that none of them is what is being read."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from ...errors import DataError
from .frames import Source
from .image_files import ImageFiles
from .sinks import Document, Images, JsonLines, Sink
from .video_files import VideoFile
from .video_writing import CODECS, VideoSink

Kind = Literal["image", "video", "jsonl"]
"""Annotated images, an annotated video, one line of JSON a frame."""

FILE_NAME = "detections.json"
UNFIT = re.compile(r"[^\w.+=@-]+")


def usual_kinds(source: Source) -> tuple[Kind, ...]:
    """Return what is kept of a source where nothing is asked for; of a live one nothing."""
    if isinstance(source, ImageFiles):
        return ("image",)
    return () if source.live else ("video", "jsonl")


def open_sinks(source: Source, folder: Path, kinds: Iterable[Kind], backend: str) -> list[Sink]:
    """Return the sinks for the results of a source; they make no file before the first frame.

    Of image files the annotated images come with FILE_NAME about all of them. backend: its name,
    for that file. Raises DataError where a file would lie over one that is read.
    """
    base = folder / stem(source)
    originals = _originals(source)
    annotated = _annotated(source, folder)
    sinks: list[Sink] = []
    paths: list[Path] = []
    for kind in dict.fromkeys(kinds):
        if kind == "video":
            paths += [base.with_name(base.name + suffix) for _, suffix in CODECS]
            sinks.append(VideoSink(base, fps=source.fps, live=source.live))
        elif kind == "jsonl":
            paths.append(base.with_name(base.name + ".jsonl"))
            sinks.append(JsonLines(paths[-1]))
        else:
            paths += annotated.values()
            sinks.append(Images(base, annotated))
            if isinstance(source, ImageFiles):
                sinks.append(Document(folder / FILE_NAME, backend, annotated))
    read = {_identity(path) for path in originals} - {None}
    for path in paths:
        if _identity(path) in read:
            raise DataError(f"{path} is itself read: give another folder with --out")
    return sinks


def stem(source: Source) -> str:
    """Return what files about a source are called; of a live one with the time, each its own."""
    if isinstance(source, VideoFile):
        return source.path.stem if source.path.suffix == ".mp4" else source.path.name
    if isinstance(source, ImageFiles):
        name = Path(source.name).resolve().name if Path(source.name).exists() else ""
        name = Path(name).stem if len(source.paths) == 1 else name
    else:
        name = source.name.partition("://")[2] or source.name
    name = UNFIT.sub("-", name).strip("-.") or "images"
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S')}" if source.live else name


def _originals(source: Source) -> Sequence[Path]:
    if isinstance(source, VideoFile):
        return (source.path,)
    return source.paths if isinstance(source, ImageFiles) else ()


def _annotated(source: Source, folder: Path) -> Mapping[str, Path]:
    """Return where the picture of each image goes, by its name: no two share a file."""
    found: dict[str, Path] = {}
    taken: set[str] = set()
    for path in source.paths if isinstance(source, ImageFiles) else ():
        plain = path.stem if path.suffix == ".jpg" else path.name
        name, number = plain, 1
        while f"{name}.jpg".lower() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(f"{name}.jpg".lower())
        found[str(path)] = folder / f"{name}.jpg"
    return found


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from all others, whatever its name; None where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
