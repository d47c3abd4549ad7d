"""A training that is killed, whenever that is, goes on to the bits of one that was not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hexdet.errors import ArtifactError
from hexdet.recipe import Recipe
from hexdet.training.loop import train
from hexdet.training.reports import EpochReport

NAMES = ("best.safetensors", "last.safetensors", "state.safetensors")
EPOCHS = 4
STEPS = 4
"""Of an epoch: 8 scenes in batches of 2."""
RECIPE = {
    "network.width_multiplier": 0.25,  # small files, short steps
    "training.batch_size": 2,
    "training.epochs": EPOCHS,
    "training.workers": 1,
}
ALL = {"data.train": 8, "data.val": 2, "network.width": 96, "network.height": 96, **RECIPE}
ALL |= {"training.precision": "float32", "training.validate_every": 1}
TIME_LIMIT_S = 300.0


@contextmanager
def training(build: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start `hexdet train` as a user does; kill it with SIGKILL at the end of the block."""
    values = [part for key, value in ALL.items() for part in ("--set", f"{key}={value}")]
    command = [str(Path(sys.executable).with_name("hexdet")), "train", "heads", *values, *options]
    with subprocess.Popen(
        [*command, "--build", str(build)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_line(stream: IO[str] | None, beginning: str) -> None:
    assert stream is not None
    for line in stream:
        if line.startswith(beginning):
            return
    raise AssertionError(f"it ended before it said {beginning!r}")


def wait_for_file(process: subprocess.Popen[str], folder: Path, pattern: str) -> None:
    """Return as soon as there is such a file; look for it as often as can be."""
    end = time.monotonic() + TIME_LIMIT_S
    while not any(folder.glob(pattern)):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.0005)


def same_tensors(a: Path, b: Path) -> bool:
    one, other = load_file(a), load_file(b)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def steps_told(folder: Path) -> dict[str, list[int]]:
    """Return which steps each curve has, as TensorBoard shows them."""
    found = EventAccumulator(str(folder / "tensorboard"))
    found.Reload()
    return {tag: [e.step for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


@pytest.fixture(scope="module")
def recipe(tiny_recipe: Callable[..., Recipe]) -> Recipe:
    return tiny_recipe(RECIPE)


@pytest.fixture(scope="module")
def whole(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    train(recipe, folder)
    return folder


def assert_as_if_nothing_had_been(folder: Path, whole: Path) -> None:
    for name in NAMES:
        assert same_tensors(folder / name, whole / name), name
    assert sorted(p.name for p in folder.iterdir()) == [*NAMES, "tensorboard"]
    steps = [*range(1, EPOCHS * STEPS + 1)]
    expected = dict.fromkeys(("loss/score", "learning_rate", "images_per_s"), steps)
    expected["validation/ap50"] = steps[STEPS - 1 :: STEPS]
    found = steps_told(folder)
    assert {tag: found[tag] for tag in expected} == expected


def test_killed_three_times_it_gives_the_same_bits(
    recipe: Recipe, whole: Path, tmp_path: Path
) -> None:
    """Killed before its first state, in mid-epoch, and in the middle of writing a state."""
    folder = tmp_path / "heads" / "training"
    with training(tmp_path) as process:
        wait_for_file(process, folder, "*best*.safetensors")
    assert not (folder / "state.safetensors").exists()
    with pytest.raises(ArtifactError, match="nothing to resume"):
        train(recipe, folder, resume=True)

    with training(tmp_path) as process:
        wait_for_line(process.stderr, "epoch 1/")
    kept = (folder / "state.safetensors").read_bytes()

    for _ in range(EPOCHS):  # until a writing was met before it was done
        with training(tmp_path, "--resume") as process:
            wait_for_file(process, folder, ".state-*")
        if any(folder.glob(".state-*")):
            break
        kept = (folder / "state.safetensors").read_bytes()
    assert any(folder.glob(".state-*"))
    assert (folder / "state.safetensors").read_bytes() == kept

    train(recipe, folder, resume=True)
    assert_as_if_nothing_had_been(folder, whole)


class InterruptionError(Exception):
    """What a user's Ctrl-C is to these tests."""


@pytest.mark.parametrize("at", [7, 16])
def test_within_an_epoch_it_goes_on_at_the_saved_step(
    tiny_recipe: Callable[..., Recipe], whole: Path, tmp_path: Path, at: int
) -> None:
    """Saved every second step, and at the end of every epoch."""
    recipe = tiny_recipe({**RECIPE, "training.workers": 0, "training.save_every": 2})
    saved = at - 1 - (at - 1) % 2  # a step's state is saved after the step was told
    reports: list[EpochReport] = []
    taken: list[int] = []

    def interrupt(report: Any) -> None:
        if report.step == at:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        train(recipe, tmp_path, on_step=interrupt, on_epoch=reports.append)
    train(
        recipe,
        tmp_path,
        resume=True,
        on_step=lambda report: taken.append(report.step),
        on_epoch=reports.append,
    )
    assert taken == [*range(saved + 1, EPOCHS * STEPS + 1)]
    assert_as_if_nothing_had_been(tmp_path, whole)
    uninterrupted = EventAccumulator(str(whole / "tensorboard"))
    uninterrupted.Reload()
    # The means of an epoch are over all its steps, also those before the interruption.
    told = [event.value for event in uninterrupted.Scalars("epoch_loss/score")]
    assert [report.losses["score"] for report in reports] == pytest.approx(told, rel=1e-6)
