"""What `hexdet train` does: run the training, show how it goes and what it leaves."""

from __future__ import annotations

from pathlib import Path

import typer

from . import console
from .errors import HexdetError, TrainingError
from .left_out import show_left_out
from .recipe import Recipe
from .training.folder import TrainingFolder
from .training.loop import train as run
from .training.processes import ProcessError, started_rank
from .training.reports import EpochReport, StepReport, TrainingResult

INTERRUPTED = 130
"""What a shell calls a process that Ctrl-C ended."""


def train(recipe: Recipe, build: Path, *, resume: bool) -> None:
    """Train a recipe; of several processes the first alone shows anything."""
    folder = build / recipe.name / "training"
    rank = started_rank()
    try:
        if rank == 0:
            _show(recipe, folder, resume=resume)
        else:
            _join(recipe, folder, resume=resume, rank=rank)
    except KeyboardInterrupt:
        if rank == 0:
            console.say(f"interrupted: {TrainingFolder(path=folder).kept}")
        raise typer.Exit(INTERRUPTED) from None


def _join(recipe: Recipe, folder: Path, *, resume: bool, rank: int) -> None:
    """Take part in a training; what every process meets, the first one says."""
    try:
        run(recipe, folder, resume=resume)
    except ProcessError as error:
        raise TrainingError(f"process {rank}: {error}") from error
    except HexdetError as error:
        raise typer.Exit(error.exit_code) from error


def _show(recipe: Recipe, folder: Path, *, resume: bool) -> None:
    known: set[str] = set()
    show_left_out(recipe)
    console.say(f"curves: tensorboard --logdir {TrainingFolder(path=folder).curves}")
    with console.bar(f"training {recipe.name}") as step, console.log_shown():

        def on_step(report: StepReport) -> None:
            step(report.step, report.steps)

        def on_epoch(report: EpochReport) -> None:
            for reason in report.unreadable:
                if reason not in known:
                    console.warn(f"{reason}; the next image takes its place")
                known.add(reason)
            console.say(describe(report))

        result = run(recipe, folder, resume=resume, on_step=on_step, on_epoch=on_epoch)
    console.out.print(conclude(result), markup=False)


def describe(report: EpochReport) -> str:
    """Return an epoch in one line."""
    parts = [f"{name} loss {value:.3f}" for name, value in report.losses.items()]
    if report.ap50 is not None:
        parts.append(f"validation AP@0.5 {console.share(report.ap50)}")
    parts.append(f"{report.images_per_s:.1f} images/s")
    if report.cached:
        parts.append(f"{report.cached:.0%} from memory")
    if report.unreadable:
        parts.append(f"{len(report.unreadable)} images unreadable")
    parts.append(f"{report.seconds:.0f} s")
    return f"epoch {report.epoch}/{report.epochs}: " + ", ".join(parts)


def conclude(result: TrainingResult) -> str:
    """Return what a training leaves, in a few lines."""
    lines = [
        f"best checkpoint {result.best}: validation AP@0.5 {console.share(result.ap50)}, "
        f"trained in {result.seconds / 60:.1f} minutes",
        f"last checkpoint {result.last}; curves: tensorboard --logdir {result.curves}",
    ]
    if result.stopped_early is not None:
        lines.append(
            f"stopped after epoch {result.stopped_early}: no better validation within "
            f"training.patience"
        )
    if result.unreadable:
        lines.append(f"{result.unreadable} times an image could not be read: see the warnings")
    return "\n".join(lines)
