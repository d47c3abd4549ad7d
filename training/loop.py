"""The training loop: one recipe in, checkpoints out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..datasets.opening import open_split
from ..errors import ArtifactError, DataError, TrainingError
from ..evaluation.running import evaluate
from ..recipe import Recipe
from ..recipe_training import TrainingSection
from ..runtime.detector import Detector
from .backend import TorchBackend
from .checkpoint import network_of, save_checkpoint, start_from
from .contract import contract_of
from .ema import MovingAverage
from .loading import Batch, EpochBatches, TrainingSamples, make_loader
from .objective import Objective
from .schedule import learning_rate
from .state import FILE_NAME, load_state, save_state

VALIDATION_IMAGES = 100


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """One optimizer step; step counts from 1 over the whole training."""

    epoch: int
    step: int
    steps: int
    loss: float
    learning_rate: float


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """One epoch; the losses are means of its steps, ap50 is None where it was not validated."""

    epoch: int
    epochs: int
    score_loss: float
    box_loss: float
    ap50: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """Where the checkpoints are, and the best validation AP@0.5."""

    best: Path
    ap50: float
    seconds: float


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
) -> TrainingResult:
    """Train the recipe's network; `best.safetensors` and the state to resume go into `folder`.

    Raises TrainingError where the loss is not finite; the last good checkpoint stays.
    """
    if not resume and (folder / FILE_NAME).is_file():
        raise ArtifactError(
            f"{folder} already holds a training: continue it with --resume, or remove the folder"
        )
    return _Training(recipe, folder, on_step, on_epoch).run(resume=resume)


class _Training:
    """What a run holds from its first step to its last."""

    def __init__(
        self,
        recipe: Recipe,
        folder: Path,
        on_step: Callable[[StepReport], None],
        on_epoch: Callable[[EpochReport], None],
    ) -> None:
        self.recipe, self.folder = recipe, folder
        self.on_step, self.on_epoch = on_step, on_epoch
        self.section = recipe.training
        self.contract = contract_of(recipe)
        self.objective = Objective(self.contract, self.section)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.validation = open_split(recipe.data, "val")
        dataset = open_split(recipe.data, "train")
        samples = TrainingSamples(dataset, self.contract, self.section)
        self.batches = EpochBatches(len(dataset), self.section.batch_size, self.section.seed)
        self.loader = make_loader(samples, self.batches, self.section.workers)
        self.total_steps = len(self.batches) * self.section.epochs
        torch.manual_seed(self.section.seed)
        network = network_of(recipe)
        if self.section.start_from:
            start_from(network, self.section.start_from)
        self.network: nn.Module = network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = MovingAverage(self.network, self.section.ema_decay)
        self.optimizer = make_optimizer(self.network, self.section)
        self.half = _uses_bfloat16(self.section, self.device)
        self.best_ap50 = -1.0
        self.seconds = 0.0

    def run(self, *, resume: bool) -> TrainingResult:
        first = self._resume() if resume else 0
        for epoch in range(first, self.section.epochs):
            start = time.monotonic()
            score_loss, delta_loss = self._epoch(epoch)
            ap50 = self._validate(epoch)
            self.seconds += time.monotonic() - start
            progress = {"epoch": epoch + 1, "best": self.best_ap50, "seconds": self.seconds}
            save_state(
                self.folder, self.recipe, self.network, self.average, self.optimizer, progress
            )
            self.on_epoch(
                EpochReport(
                    epoch=epoch + 1,
                    epochs=self.section.epochs,
                    score_loss=score_loss,
                    box_loss=delta_loss,
                    ap50=ap50,
                    seconds=self.seconds,
                )
            )
        return TrainingResult(best=self._best, ap50=self.best_ap50, seconds=self.seconds)

    @property
    def _best(self) -> Path:
        return self.folder / "best.safetensors"

    def _resume(self) -> int:
        progress = load_state(self.folder, self.recipe, self.network, self.average, self.optimizer)
        self.best_ap50, self.seconds = progress["best"], progress["seconds"]
        return int(progress["epoch"])

    def _epoch(self, epoch: int) -> tuple[float, float]:
        self.network.train()
        self.batches.epoch = epoch
        sums = [0.0, 0.0]
        for index, batch in enumerate(self.loader):
            if isinstance(batch, DataError):
                raise batch
            step = epoch * len(self.batches) + index
            score_loss, delta_loss = self._step(step, batch.to(self.device))
            sums[0] += score_loss
            sums[1] += delta_loss
            if not math.isfinite(score_loss + delta_loss):
                raise self._stopped(f"loss is {score_loss + delta_loss}", step)
            self.on_step(
                StepReport(
                    epoch=epoch + 1,
                    step=step + 1,
                    steps=self.total_steps,
                    loss=score_loss + delta_loss,
                    learning_rate=self.optimizer.param_groups[0]["lr"],
                )
            )
        return sums[0] / len(self.batches), sums[1] / len(self.batches)

    def _stopped(self, what: str, step: int) -> TrainingError:
        kept = (
            f"the last good checkpoint is {self._best}"
            if self._best.is_file()
            else "there is no good checkpoint yet"
        )
        return TrainingError(
            f"the {what} in epoch {step // len(self.batches) + 1}, step {step + 1}: "
            f"lower training.learning_rate or training.gradient_clip; {kept}"
        )

    def _step(self, step: int, batch: Batch) -> tuple[float, float]:
        """Take one optimizer step, unless the loss is not finite; return both losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(
                step,
                self.total_steps,
                peak=self.section.learning_rate,
                warmup=self.section.warmup,
                schedule=self.section.schedule,
            )
        spec = self.contract.input
        # [n, h, w, 3] -> [n, 3, h, w], which in memory is channels-last already
        image = (batch.pixels.permute(0, 3, 1, 2).float() - spec.mean) / spec.std
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
            outputs = self.network(image)
        losses = self.objective(outputs, batch.labels, batch.deltas)
        loss = losses.total
        if torch.isfinite(loss):
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.section.gradient_clip)
            if not torch.isfinite(norm):
                # A step would spoil the weights, and the end of the epoch the state to resume from.
                raise self._stopped(f"gradient's norm is {float(norm)}", step)
            self.optimizer.step()
            self.average.update(self.network)
        return float(losses.score.detach()), float(losses.box.detach())

    def _validate(self, epoch: int) -> float | None:
        last = epoch + 1 == self.section.epochs
        if (epoch + 1) % self.section.validate_every and not last:
            return None
        network = self.average.network
        detector = Detector(self.contract, TorchBackend(network, self.contract))  # type: ignore[arg-type]
        accuracy = evaluate(
            detector,
            self.validation,
            score=self.recipe.evaluation.score,
            limit=VALIDATION_IMAGES,
        ).accuracy
        # Without an object in the validation images there is no AP: then the last one is kept.
        if not accuracy.ap50 < self.best_ap50 or not self._best.is_file():
            self.best_ap50 = accuracy.ap50
            notes = {
                "epoch": epoch + 1,
                "validation_ap50": round(accuracy.ap50, 4),
                "validation_images": accuracy.images,
                "torch": torch.__version__,
            }
            save_checkpoint(self._best, network, self.recipe, notes)
        return accuracy.ap50


def make_optimizer(network: nn.Module, section: TrainingSection) -> torch.optim.Optimizer:
    """Return the recipe's optimizer; biases and batch norms are not decayed."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    free = [p for p in network.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": section.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    if section.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=section.learning_rate, momentum=section.momentum)
    return torch.optim.AdamW(groups, lr=section.learning_rate)


def _uses_bfloat16(section: TrainingSection, device: torch.device) -> bool:
    if section.precision != "auto":
        return section.precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    # Without native instructions bfloat16 on a CPU is emulated, and slower than float32.
    return bool(torch.cpu._is_avx512_bf16_supported())
