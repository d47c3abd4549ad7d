"""What `hexdet train` does: run the training, show how it goes and what it leaves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import typer

from ...errors import HexdetError, TrainingError
from ...recipe import Recipe, load_recipe
from ...training.folder import TrainingFolder
from ...training.loop import train as run
from ...training.processes import ProcessError, started_rank
from ...training.reports import EpochReport, StepReport, TrainingResult
from ..terminal import console
from ..terminal.log import details_shown
from .left_out import show_left_out

INTERRUPTED = 130
"""What a shell calls a process that Ctrl-C ended."""

HEARD_S = 10.0
"""How long the first process has to say what all have met."""


def train(name: str, overrides: Sequence[str], build: Path, *, resume: bool) -> None:
    """Train a recipe; of several processes the first alone shows anything."""
    rank = started_rank()
    if rank == 0:
        _show(load_recipe(name, overrides), build, resume=resume)
        return
    try:
        recipe = load_recipe(name, overrides)
        run(recipe, _folder(recipe, build), resume=resume)
    except ProcessError as error:
        raise TrainingError(f"process {rank}: {error}") from error
    except HexdetError as error:
        # Every process meets it, and the first one says it: where another ends, it is ended, too.
        time.sleep(HEARD_S)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def _folder(recipe: Recipe, build: Path) -> Path:
    return build / recipe.name / "training"


def _show(recipe: Recipe, build: Path, *, resume: bool) -> None:
    folder = _folder(recipe, build)
    try:
        result = _run(recipe, folder, resume=resume)
    except KeyboardInterrupt:
        console.say(f"interrupted: {TrainingFolder(path=folder).kept}")
        raise typer.Exit(INTERRUPTED) from None
    console.out.print(conclude(result), markup=False)


def _run(recipe: Recipe, folder: Path, *, resume: bool) -> TrainingResult:
    known: set[str] = set()
    show_left_out(recipe)
    console.say(f"curves: tensorboard --logdir {TrainingFolder(path=folder).curves}")
    with console.bar(f"training {recipe.name}") as step, details_shown():

        def on_step(report: StepReport) -> None:
            step(report.step, report.steps)

        def on_epoch(report: EpochReport) -> None:
            for reason in report.unreadable:
                if reason not in known:
                    console.warn(f"{reason}; the next image takes its place")
                known.add(reason)
            console.say(describe(report))

        return run(recipe, folder, resume=resume, on_step=on_step, on_epoch=on_epoch)


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
