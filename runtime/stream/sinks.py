"""What results are kept in: JSON lines, annotated images; all keep what came, however it ended."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ...errors import ArtifactError
from ..backend import Closing
from ..files import replacing, write_text
from .frames import FrameResult

Picture = npt.NDArray[np.uint8]


class Sink(Closing):
    """Takes every result in order, with the picture that shows it; closing it completes the file.

    pictures: whether it needs the picture. written: the files that are complete.
    """

    pictures = False

    def __init__(self) -> None:
        self.written: list[Path] = []

    def take(self, result: FrameResult, picture: Picture | None) -> None:
        """Keep a result. picture: BGR, uint8 [height, width, 3], where the sink needs one.

        Raises ArtifactError where it cannot be written.
        """
        raise NotImplementedError


def to_row(result: FrameResult) -> dict[str, Any]:
    """Return a result as a plain dictionary; `id` in each detection where it was tracked."""
    frame, times = result.frame, result.times
    detections = result.detections.to_json()
    if result.identities is not None:
        for row, identity in zip(detections, result.identities, strict=True):
            row["id"] = int(identity)
    return {
        "index": frame.index,
        "seconds": round(frame.seconds, 6),
        **({"image": frame.name} if frame.name else {}),
        "width": frame.image.shape[1],
        "height": frame.image.shape[0],
        "detections": detections,
        "times": {
            "capture_ms": round(times.capture_ms, 3),
            "pre_ms": round(times.pre_ms, 3),
            "net_ms": round(times.net_ms, 3),
            "post_ms": round(times.post_ms, 3),
        },
    }


def to_line(result: FrameResult) -> str:
    """Return a result as one line of JSON, with its line end."""
    return json.dumps(to_row(result), allow_nan=False, separators=(",", ":")) + "\n"


class JsonLines(Sink):
    """One line a frame, written at once: whatever happens, what was found is in the file.

    It is called `NAME.part` until it is closed. A line that the disk has no room for is left out
    whole.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._stream: FileIO | None = None
        self._size = 0

    def take(self, result: FrameResult, picture: Picture | None) -> None:
        """Write a line."""
        rest = memoryview(to_line(result).encode())
        size = self._size + len(rest)
        try:
            if self._stream is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = FileIO(self._part, "w")
            while rest:
                rest = rest[self._stream.write(rest) :]
        except OSError as error:
            if self._stream is not None:
                with contextlib.suppress(OSError):
                    self._stream.truncate(self._size)
            raise self._failure(error) from error
        self._size = size

    def close(self) -> None:
        """Give the file its name; without a single line there is none."""
        if self._stream is None:
            return
        stream, self._stream = self._stream, None
        try:
            with stream:
                if self._size:
                    os.fsync(stream.fileno())
            if self._size:
                self._part.replace(self._path)
                self.written.append(self._path)
            else:
                self._part.unlink()
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> ArtifactError:
        return ArtifactError(f"cannot write {self._path}: {error.strerror or error}")


class Images(Sink):
    """Annotated images, one a frame.

    base: what frames without a name are called, followed by their index. paths: those of the
        others, by name.
    """

    pictures = True

    def __init__(self, base: Path, paths: Mapping[str, Path]) -> None:
        super().__init__()
        self._base = base
        self._paths = paths

    def take(self, result: FrameResult, picture: Picture | None) -> None:
        """Write the picture."""
        frame = result.frame
        path = self._paths.get(frame.name) or self._base.with_name(
            f"{self._base.name}-{frame.index:06d}.jpg"
        )
        with replacing(path) as temporary:
            if picture is None or not cv2.imwrite(str(temporary), picture):
                raise ArtifactError(f"cannot write {path}: is the disk full?")
        self.written.append(path)


class Document(Sink):
    """One JSON document about all images, written at the end, also at an early one.

    path: None where only `content` is wanted. annotated: the picture of each image, by name.
    """

    def __init__(self, path: Path | None, backend: str, annotated: Mapping[str, Path]) -> None:
        super().__init__()
        self.content: dict[str, Any] = {"backend": backend, "images": []}
        self._path = path
        self._annotated = annotated

    def take(self, result: FrameResult, picture: Picture | None) -> None:
        """Keep a row."""
        row = to_row(result)
        kept = {"image": row["image"], "width": row["width"], "height": row["height"]}
        if result.frame.name in self._annotated:
            kept["annotated"] = str(self._annotated[result.frame.name])
        self.content["images"].append({**kept, "detections": row["detections"]})

    def close(self) -> None:
        """Write the document; without a single image there is none."""
        if self._path is not None and self.content["images"] and not self.written:
            write_text(self._path, json.dumps(self.content, indent=1) + "\n")
            self.written.append(self._path)
