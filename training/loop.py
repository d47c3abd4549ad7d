"""The training loop: one recipe in, checkpoints out."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import cast

import torch

from ..datasets.opening import Split, open_split
from ..datasets.record import Dataset
from ..errors import DataError, TrainingError
from ..recipe import Recipe
from .checkpoint import save_checkpoint
from .contract import contract_of
from .curves import Curves
from .folder import TrainingFolder
from .learner import Learner
from .loading import Batch, EpochBatches, Reading, TrainingSamples, make_loader
from .networks import SSD
from .processes import ProcessError, Processes, joined
from .reports import EpochReport, StepReport, TrainingResult
from .state import Progress, read_state
from .validation import Validation

WORKER_DIED = "DataLoader worker (pid"
"""How PyTorch begins to say, as a RuntimeError, that a worker was killed."""


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
) -> TrainingResult:
    """Train the recipe's network; the checkpoints and the state to resume go into `folder`.

    Started by `torchrun`, it shares every batch with the other processes; the first of them alone
    writes and reports. Raises TrainingError where the loss is not finite or a worker dies; what
    was saved last stays.
    """
    files = TrainingFolder(path=folder)
    with contextlib.ExitStack() as stack:
        processes = stack.enter_context(joined())
        # First: a recipe or data that cannot be trained with leaves no folder behind.
        training = _Training(recipe, files, processes, on_step, on_epoch)
        if processes.first:
            stack.enter_context(files.held(resume=resume))
        if resume:
            training.resume()
        if processes.first:
            training.curves = stack.enter_context(Curves(files.curves, training.steps_taken + 1))
        try:
            return training.run()
        except RuntimeError as error:
            # PyTorch raises it wherever the process happens to be.
            if WORKER_DIED not in str(error):
                raise
            raise ProcessError(
                f"a worker that loads images died ({str(error).splitlines()[0].rstrip('. ')}): if "
                f"memory is short, lower training.workers or training.cache_mib; {files.kept}"
            ) from error


class _Training:
    """What a run holds from its first step to its last."""

    def __init__(
        self,
        recipe: Recipe,
        files: TrainingFolder,
        processes: Processes,
        on_step: Callable[[StepReport], None],
        on_epoch: Callable[[EpochReport], None],
    ) -> None:
        self.recipe, self.files, self.processes = recipe, files, processes
        self.section = recipe.training
        self.on_step, self.on_epoch = on_step, on_epoch
        contract = contract_of(recipe)
        dataset = self._open("train")
        self.validation = Validation(self._open("val"), contract, recipe.evaluation.score)
        samples = TrainingSamples(dataset, contract, self.section, processes=processes.local_count)
        self.batches = EpochBatches(
            len(dataset),
            self.section.batch_size,
            self.section.seed,
            rank=processes.rank,
            processes=processes.count,
        )
        self.loader = make_loader(samples, self.batches, self.section.workers)
        self.steps = len(self.batches) * self.section.epochs
        self.learner = Learner(recipe, contract, self.steps, processes)
        self.progress = Progress()
        self.mark = time.monotonic()
        self.curves: Curves | None = None

    def _open(self, split: Split) -> Dataset:
        """Open a split, which must hold as many images for every process."""
        dataset = open_split(self.recipe.data, split)
        if len(dataset) == 0:
            raise DataError(f"the split {split} of {dataset.name} holds no image")
        count = torch.tensor(len(dataset), device=self.processes.device)
        expected = int(self.processes.from_first(count))
        if len(dataset) != expected:
            raise ProcessError(
                f"{dataset.name} holds {len(dataset)} images for process {self.processes.rank} and "
                f"{expected} for the first: give every machine the same data"
            )
        return dataset

    @property
    def steps_taken(self) -> int:
        """Return the number of steps so far."""
        return self.progress.epoch * len(self.batches) + self.progress.step

    def resume(self) -> None:
        """Go on from the saved state, which process 0 alone reads."""
        data = read_state(self.files.state) if self.processes.first else b""
        data = self.processes.bytes_from_first(data)
        self.progress = Progress(**self.learner.restore(data, self.files.state))

    def run(self) -> TrainingResult:
        """Train to the end of the last epoch, or of patience."""
        self.mark = time.monotonic()
        while self.progress.epoch < self.section.epochs and not self._out_of_patience:
            self._epoch()
        progress = self.progress
        return TrainingResult(
            best=self.files.best,
            last=self.files.last,
            curves=self.files.curves,
            ap50=progress.best,
            seconds=progress.seconds,
            unreadable=progress.unreadable,
            stopped_early=progress.epoch if progress.epoch < self.section.epochs else None,
        )

    @property
    def _out_of_patience(self) -> bool:
        return 0 < self.section.patience <= self.progress.stale

    def _epoch(self) -> None:
        """Train for an epoch, or the rest of one; then validate, save and report."""
        self.learner.network.train()
        begun, first = time.monotonic(), self.progress.step
        reading = self._steps()
        seconds = time.monotonic() - begun
        images = (len(self.batches) - first) * self.batches.batch_size
        losses = {k: v / len(self.batches) for k, v in self.progress.losses.items()}
        ap50, unreadable = self._validate()
        if self.processes.first:
            self._checkpoint(self.files.last, ap50)
        unreadable = self.processes.gathered(reading.unreadable) + unreadable
        cached, read = self.processes.total(
            torch.tensor([reading.cached, reading.images], device=self.processes.device)
        ).tolist()
        self.progress.epoch += 1
        self.progress.step, self.progress.losses = 0, {}
        self.progress.unreadable += len(unreadable)
        report = EpochReport(
            epoch=self.progress.epoch,
            epochs=self.section.epochs,
            step=self.steps_taken,
            losses=losses,
            ap50=ap50,
            seconds=self._seconds(),
            images_per_s=images / seconds,
            cached=cached / read,
            unreadable=tuple(unreadable),
        )
        if self.curves is not None:
            self.curves.epoch(report)
            self._save()
            self.on_epoch(report)

    def _steps(self) -> Reading:
        """Take the epoch's steps; return how its images were read."""
        epoch, reading = self.progress.epoch, Reading()
        self.batches.epoch, self.batches.first = epoch, self.progress.step
        begun = time.monotonic()
        for batch in self.loader:
            if isinstance(batch, DataError):
                raise ProcessError(str(batch)) from batch
            reading += batch.reading
            losses = self._step(batch)
            for name, value in losses.items():
                self.progress.losses[name] = self.progress.losses.get(name, 0.0) + value
            self.progress.step += 1
            ended = time.monotonic()
            if self.curves is not None:
                report = StepReport(
                    epoch=epoch + 1,
                    step=self.steps_taken,
                    steps=self.steps,
                    losses=losses,
                    learning_rate=self.learner.rate,
                    images_per_s=self.batches.batch_size / (ended - begun),
                )
                self.curves.step(report)
                self.on_step(report)
                if self._due:
                    self._seconds()
                    self._save()
            begun = ended
        return reading

    @property
    def _due(self) -> bool:
        """Return whether to save within the epoch; at its end that is done anyway."""
        step, every = self.progress.step, self.section.save_every
        return every > 0 and step % every == 0 and step < len(self.batches)

    def _step(self, batch: Batch) -> dict[str, float]:
        try:
            return self.learner.step(self.steps_taken, batch)
        except FloatingPointError as error:
            raise TrainingError(
                f"the {error} in epoch {self.progress.epoch + 1}, step {self.steps_taken + 1}: "
                f"lower training.learning_rate or training.gradient_clip; {self.files.kept}"
            ) from error

    def _validate(self) -> tuple[float | None, list[str]]:
        """Score the moving average where it is time to, and keep the best; of process 0 alone."""
        number = self.progress.epoch + 1
        if number % self.section.validate_every and number != self.section.epochs:
            return None, []
        ap50: float | None = None
        reasons: list[str] = []
        if self.processes.first:
            accuracy, reasons = self.validation(cast("SSD", self.learner.average.network))
            ap50 = math.nan if accuracy is None else accuracy.ap50
            self._keep_best(ap50, 0 if accuracy is None else accuracy.images)
        stale = torch.tensor(self.progress.stale, device=self.processes.device)
        self.progress.stale = int(self.processes.from_first(stale))
        return ap50, reasons

    def _keep_best(self, ap50: float, images: int) -> None:
        progress = self.progress
        better = ap50 > progress.best
        # Without an object in the validation images there is no AP: then the last one is kept.
        if not ap50 < progress.best or not self.files.best.is_file():
            progress.best = ap50
            self._checkpoint(self.files.best, ap50, images)
        if not math.isnan(ap50):
            progress.stale = 0 if better else progress.stale + 1

    def _checkpoint(self, path: Path, ap50: float | None, images: int | None = None) -> None:
        notes = {"epoch": self.progress.epoch + 1, "torch": torch.__version__}
        if ap50 is not None:
            notes["validation_ap50"] = round(ap50, 4)
        if images is not None:
            notes["validation_images"] = images
        save_checkpoint(path, self.learner.average.network, self.recipe, notes)

    def _save(self) -> None:
        """Save what can be resumed; the curves first, so that they are never behind it."""
        assert self.curves is not None
        self.curves.flush()
        self.learner.save(self.files.state, asdict(self.progress))

    def _seconds(self) -> float:
        """Return how long the training has taken, and let it be known when it is resumed."""
        now = time.monotonic()
        self.progress.seconds += now - self.mark
        self.mark = now
        return self.progress.seconds
