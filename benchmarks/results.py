"""The memory of measurements: one line of JSON for each figure, appended and never rewritten."""

from __future__ import annotations

import dataclasses
import datetime
import json
import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import ArtifactError
from ..export.bundle import versions
from .machine import this_machine

FILE_NAME = "results.jsonl"
PACKAGES = ("onnxruntime", "onnxruntime-qnn", "numpy", "torch")

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """One figure of one artifact.

    artifact: its name, `heads/int8.onnx`, the same after another export; sha256: its content.
    machine: where it was measured. backend: what ran it, empty where nothing ran. target: the chip
    that was emulated or that a device has, empty on a plain processor. n: repetitions, images or
    whatever `value` sums up. spread: half the distance of the quartiles, None where there is none.
    """

    time: str
    artifact: str
    sha256: str
    versions: Mapping[str, str]
    machine: str
    backend: str
    target: str
    metric: str
    value: float
    unit: str
    n: int
    spread: float | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what figures must share to be compared over time."""
        return self.artifact, self.target, self.metric


Record: TypeAlias = Callable[..., Result]


def recorder(*, artifact: str, sha256: str, backend: str = "", target: str = "") -> Record:
    """Return a function that makes the results of one artifact, all of the same moment.

    It takes metric, value and unit, and n and spread by name.
    """
    machine = this_machine()
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    known = versions(PACKAGES)

    def record(
        metric: str, value: float, unit: str, *, n: int = 1, spread: float | None = None
    ) -> Result:
        return Result(
            time=now,
            artifact=artifact,
            sha256=sha256,
            versions=known,
            machine=f"{machine.cpu}, {machine.cores} cores",
            backend=backend,
            target=target,
            metric=metric,
            value=value,
            unit=unit,
            n=n,
            spread=spread,
        )

    return record


def append(path: Path, results: Iterable[Result]) -> int:
    """Append results to a file, all of them or, on an error, none that counts; return how many.

    Figures that are not finite are left out. Raises ArtifactError where the file cannot be written.
    """
    rows = [dataclasses.asdict(r) for r in results if math.isfinite(r.value)]
    append_lines(path, rows)
    return len(rows)


def append_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Append a line of JSON a row to a file, on disk when this returns, or none that counts.

    Processes that append at the same time wait for each other. A line that an interrupted one left
    torn is closed first, so that it spoils nothing behind it.
    Raises ArtifactError where the file cannot be written.
    """
    data = b"".join(json.dumps(row, allow_nan=False).encode() + b"\n" for row in rows)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            _lock(handle)
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            _write(handle, (b"\n" if torn else b"") + data, size)
            os.fsync(handle)
        finally:
            os.close(handle)  # and with it the lock
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {error.strerror or error}") from error


def _write(handle: int, data: bytes, size: int) -> None:
    """Write all of it; where the disk fills up, take back what was written."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(handle, view) :]
    except OSError:
        os.ftruncate(handle, size)
        raise


def _lock(handle: int) -> None:
    try:
        import fcntl
    except ImportError:  # no POSIX: appends are short, but may cross
        return
    fcntl.flock(handle, fcntl.LOCK_EX)


def read(path: Path) -> list[Result]:
    """Return the results of a file in their order; lines that are torn or foreign are left out.

    Raises ArtifactError where there is no such file.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.strerror}; `hexdet bench cost` and others write it"
        ) from error
    found = [_parse(line) for line in lines if line.strip()]
    lost = found.count(None)
    if lost:
        log.warning("%s: %d lines are no results and were left out", path, lost)
    return [result for result in found if result is not None]


def _parse(line: bytes) -> Result | None:
    try:
        content: dict[str, Any] = json.loads(line)
        result = Result(**content)
        known = isinstance(result.value, int | float) and math.isfinite(result.value)
        texts = (result.time, result.artifact, result.target, result.metric, result.unit)
        datetime.datetime.fromisoformat(result.time)
    except (ValueError, TypeError, RecursionError):
        return None
    return result if known and all(isinstance(text, str) for text in texts) else None
