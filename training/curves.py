"""The curves of a training, in the files that TensorBoard reads."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from ..errors import ArtifactError
from .reports import EpochReport, StepReport

FLUSH_EVERY_S = 5.0
"""So old may be what TensorBoard shows of a running training."""


class Curves:
    """Writes losses, learning rate and speed of every step, and the AP of every validation.

    All over the number of steps taken. In the training's own thread, other than PyTorch's
    SummaryWriter: a full disk is then met where it can be said, and workers are forked from a
    process without threads. Raises ArtifactError where the disk is full.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        """Begin, or go on at a step, from 1: what was written of it and later ones is hidden.

        An interrupted training may have written steps that it takes again.
        """
        self._folder = folder
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            # TensorBoard reads a folder's files in the order of their names.
            name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
            self._file = (folder / name).open("xb")
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        self._write(session_log=SessionLog(status=SessionLog.START), step=first_step)
        self.flush()

    def step(self, report: StepReport) -> None:
        """Write one step."""
        values = {f"loss/{name}": value for name, value in report.losses.items()}
        values["loss/total"] = report.loss
        values["learning_rate"] = report.learning_rate
        values["images_per_s"] = report.images_per_s
        self._scalars(values, report.step)

    def epoch(self, report: EpochReport) -> None:
        """Write what is known once an epoch."""
        values = {f"epoch_loss/{name}": value for name, value in report.losses.items()}
        if report.ap50 is not None:
            values["validation/ap50"] = report.ap50
        self._scalars(values, report.step)

    def flush(self) -> None:
        """Write what is still in memory: to be called before a state is saved."""
        with self._writing():
            self._file.flush()
        self._flushed = time.monotonic()

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Write the rest and end; what ended the training before comes first."""
        try:
            self._file.close()
        except OSError as failure:
            if error is None:
                raise self._cannot(failure) from failure

    def _scalars(self, values: dict[str, float], step: int) -> None:
        rows = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(summary=Summary(value=rows), step=step)
        if time.monotonic() - self._flushed > FLUSH_EVERY_S:
            self.flush()

    def _write(self, **fields: Any) -> None:
        with self._writing():
            self._records.write(Event(wall_time=time.time(), **fields).SerializeToString())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._cannot(error) from error

    def _cannot(self, error: OSError) -> ArtifactError:
        reason = error.strerror or error
        return ArtifactError(f"cannot write the curves into {self._folder}: {reason}")
