"""What `hexdet train` says: of an epoch, at the end, and when it is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from hexdet.cli.verbs import train as training_verb
from hexdet.errors import ArtifactError, TrainingError
from hexdet.recipe import Recipe
from hexdet.training.processes import ProcessError
from hexdet.training.reports import EpochReport, TrainingResult

EPOCH = EpochReport(
    epoch=2, epochs=5, step=8, losses={"score": 0.1234, "box": 1.5}, ap50=None, seconds=61.2,
    images_per_s=20.04, cached=0.0,
)  # fmt: skip
RESULT = TrainingResult(
    best=Path("b/best.safetensors"), last=Path("b/last.safetensors"), curves=Path("b/tensorboard"),
    ap50=0.51239, seconds=90.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, "epoch 2/5: score loss 0.123, box loss 1.500, 20.0 images/s, 61 s"),
        ({"ap50": 0.51239}, ", validation AP@0.5 0.5124, 20.0 images/s"),
        ({"ap50": float("nan")}, ", validation AP@0.5 none, "),
        ({"cached": 0.427}, ", 20.0 images/s, 43% from memory, 61 s"),
        ({"unreadable": ("a", "a", "b")}, ", 3 images unreadable, 61 s"),
        ({"losses": {"landmark": 0.5}}, "epoch 2/5: landmark loss 0.500, "),
    ],
    ids=str,
)
def test_an_epoch_in_a_line(change: dict[str, Any], expected: str) -> None:
    assert expected in training_verb.describe(replace(EPOCH, **change))


def test_the_end() -> None:
    assert training_verb.conclude(RESULT).splitlines() == [
        "best checkpoint b/best.safetensors: validation AP@0.5 0.5124, trained in 1.5 minutes",
        "last checkpoint b/last.safetensors; curves: tensorboard --logdir b/tensorboard",
    ]
    said = training_verb.conclude(replace(RESULT, stopped_early=7, unreadable=3))
    assert "stopped after epoch 7" in said and "3 times an image could not be read" in said


def ending(error: BaseException) -> Callable[..., TrainingResult]:
    def run(recipe: Recipe, folder: Path, *, on_epoch: Any = None, **_: Any) -> TrainingResult:
        if on_epoch is not None:
            on_epoch(replace(EPOCH, unreadable=("the image x.jpg is empty",)))
            on_epoch(replace(EPOCH, unreadable=("the image x.jpg is empty",)))
        raise error

    return run


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training_verb, "run", ending(KeyboardInterrupt()))
    folder = tmp_path / "heads" / "training"
    for there, expected in ((False, "there is no good checkpoint yet"), (True, "--resume")):
        if there:
            folder.mkdir(parents=True)
            (folder / "state.safetensors").touch()
        with pytest.raises(typer.Exit) as caught:
            training_verb.train("heads", [], tmp_path, resume=False)
        assert caught.value.exit_code == 130
        said = capsys.readouterr().err
        assert "interrupted: " in said and expected in said
        # A reason is told once, however often it is met.
        assert said.count("the image x.jpg is empty; the next image takes its place") == 1
        assert said.count("1 images unreadable") == 2


@pytest.mark.parametrize(
    ("error", "raised", "said"),
    [
        (ArtifactError("full"), typer.Exit, ""),
        (ProcessError("a worker died"), TrainingError, "process 3: a worker died"),
        (KeyboardInterrupt(), typer.Exit, ""),
    ],
    ids=["met by all", "met alone", "interrupted"],
)
def test_a_process_that_is_not_the_first_says_only_what_it_meets_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    raised: type[BaseException],
    said: str,
) -> None:
    monkeypatch.setenv("RANK", "3")
    slept: list[float] = []
    monkeypatch.setattr(training_verb.time, "sleep", slept.append)
    monkeypatch.setattr(training_verb, "run", ending(error))
    with pytest.raises(raised) as caught:
        training_verb.train("heads", [], tmp_path, resume=False)
    assert said in str(caught.value)
    with pytest.raises(typer.Exit):
        training_verb.train("heads", ["training.epoch=3"], tmp_path, resume=False)
    found = capsys.readouterr()
    assert found.out + found.err == ""
    # If it ended at once, torchrun would end the first one before that has said anything.
    assert slept == [10.0] * (2 if isinstance(error, ArtifactError) else 1)
