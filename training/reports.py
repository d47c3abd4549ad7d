"""What a training tells of itself while it runs and when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """One optimizer step of all processes together; step counts from 1 over the whole training."""

    epoch: int
    step: int
    steps: int
    losses: dict[str, float]
    """The parts of the loss, by name."""
    learning_rate: float
    images_per_s: float

    @property
    def loss(self) -> float:
        """Return the sum of the losses."""
        return sum(self.losses.values())


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """One epoch; the losses are means of its steps, ap50 is None where it was not validated.

    seconds: of the whole training so far. images_per_s: of the steps alone, without validation.
    cached: share of the images that were in memory. unreadable: why images could not be read and
    others stood in for them, a sentence an occurrence.
    """

    epoch: int
    epochs: int
    step: int
    losses: dict[str, float]
    ap50: float | None
    seconds: float
    images_per_s: float
    cached: float
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TrainingResult:
    """Where the checkpoints and curves are, the best validation AP@0.5, and how it ended.

    unreadable: how many times an image could not be read. stopped_early: after how many epochs,
    where none of the last `patience` validations was better; None where it trained to its end.
    """

    best: Path
    last: Path
    curves: Path
    ap50: float
    seconds: float
    unreadable: int = 0
    stopped_early: int | None = None
