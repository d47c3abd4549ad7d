"""The curves, read as TensorBoard reads them: whole, and without a step told twice."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hexdet.errors import ArtifactError
from hexdet.training.curves import Curves
from hexdet.training.reports import EpochReport, StepReport

STEPS_AN_EPOCH = 4


def step(number: int, score: float) -> StepReport:
    return StepReport(
        epoch=(number - 1) // STEPS_AN_EPOCH + 1, step=number, steps=12,
        losses={"score": score, "box": 2.0}, learning_rate=0.25, images_per_s=8.0,
    )  # fmt: skip


def epoch(number: int, ap50: float | None) -> EpochReport:
    return EpochReport(
        epoch=number, epochs=3, step=number * STEPS_AN_EPOCH, losses={"score": 1.5}, ap50=ap50,
        seconds=1.0, images_per_s=8.0, cached=0.0,
    )  # fmt: skip


def read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def values(found: EventAccumulator, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in found.Scalars(tag)]


def test_every_step_and_every_validation_is_told(tmp_path: Path) -> None:
    with Curves(tmp_path / "deep" / "curves", 1) as curves:
        for number in range(1, 9):
            curves.step(step(number, number / 4))
            if number % STEPS_AN_EPOCH == 0:
                curves.epoch(epoch(number // STEPS_AN_EPOCH, 0.5 if number == 8 else None))
    found = read(tmp_path / "deep" / "curves")
    assert sorted(found.Tags()["scalars"]) == [
        "epoch_loss/score", "images_per_s", "learning_rate", "loss/box", "loss/score",
        "loss/total", "validation/ap50",
    ]  # fmt: skip
    assert values(found, "loss/score") == [(n, n / 4) for n in range(1, 9)]
    assert values(found, "loss/total") == [(n, n / 4 + 2) for n in range(1, 9)]
    assert values(found, "learning_rate") == [(n, 0.25) for n in range(1, 9)]
    assert values(found, "epoch_loss/score") == [(4, 1.5), (8, 1.5)]
    assert values(found, "validation/ap50") == [(8, 0.5)]


@pytest.mark.parametrize("torn", [b"", b"\x01", b"\x20\0\0\0\0\0\0\0abcd"], ids=len)
def test_steps_that_are_taken_again_are_told_once(tmp_path: Path, torn: bytes) -> None:
    """A killed training leaves steps behind its last state, and half a record."""
    killed = Curves(tmp_path, 1)
    for number in range(1, 8):
        killed.step(step(number, 1.0))
    killed.flush()
    (file,) = tmp_path.iterdir()
    with file.open("ab") as stream:
        stream.write(torn)
    with Curves(tmp_path, 5) as resumed:
        for number in range(5, 10):
            resumed.step(step(number, 3.0))
    found = values(read(tmp_path), "loss/score")
    assert found == [(n, 1.0) for n in range(1, 5)] + [(n, 3.0) for n in range(5, 10)]
    killed.__exit__(None, None, None)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    curves = Curves(tmp_path, 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        for number in range(1, 9):
            curves.step(step(number, 1.0))
        with pytest.raises(ArtifactError, match="cannot write the curves into"):
            curves.flush()
        with pytest.raises(ArtifactError, match="cannot write the curves into"):
            curves.__exit__(None, None, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
