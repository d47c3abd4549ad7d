"""What a training meets on its way: images that go, a worker that dies, a disk that fills."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest
import torch
from safetensors.torch import load_file

from hexdet.datasets.record import Annotation, Dataset, Dropped, Record
from hexdet.errors import ArtifactError, DataError, TrainingError
from hexdet.recipe import Recipe
from hexdet.runtime.images import read_image
from hexdet.training import loop, validation
from hexdet.training.loading import MAX_UNREADABLE
from hexdet.training.loop import train
from hexdet.training.processes import ProcessError
from hexdet.training.reports import EpochReport

Squares = Callable[[int], Dataset]
THIN = {"network.width_multiplier": 0.25, "training.batch_size": 2, "training.epochs": 3}
STATE = "state.safetensors"


class Files:
    """The squares as image files that can be taken away; satisfies `Dataset`."""

    classes: tuple[str, ...] = ("head",)

    def __init__(self, folder: Path, squares: Dataset) -> None:
        self.name = folder.name
        self.dropped: list[Dropped] = []
        self._truths = [squares.annotation(i) for i in range(len(squares))]
        self.paths = [folder / f"{i}.png" for i in range(len(squares))]
        folder.mkdir()
        for i, path in enumerate(self.paths):
            assert cv2.imwrite(str(path), squares[i].image)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Record:
        path = self.paths[index]
        return Record(name=path.stem, image=read_image(path), annotation=self._truths[index])

    def annotation(self, index: int) -> Annotation:
        return self._truths[index]

    def fingerprint(self) -> str:
        return self.name


@pytest.fixture
def splits(tmp_path: Path, squares: Squares, monkeypatch: pytest.MonkeyPatch) -> dict[str, Files]:
    """Let trainings read image files: 8 to train with, 3 to validate."""
    found = {
        split: Files(tmp_path / split, squares(count))
        for split, count in (("train", 8), ("val", 3))
    }
    monkeypatch.setattr(loop, "open_split", lambda data, split: found[split])
    return found


@pytest.fixture
def recipe(tiny_recipe: Callable[..., Recipe]) -> Recipe:
    return tiny_recipe({**THIN, "training.cache_mib": 0})


def same_tensors(a: Path, b: Path) -> bool:
    one, other = load_file(a), load_file(b)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_an_image_that_goes_is_named_and_counted_and_the_training_goes_on(
    splits: dict[str, Files], recipe: Recipe, tmp_path: Path
) -> None:
    reports: list[EpochReport] = []

    def take_away(report: EpochReport) -> None:
        reports.append(report)
        if report.epoch == 1:
            splits["train"].paths[5].unlink()
            splits["train"].paths[6].write_bytes(b"")
            splits["val"].paths[1].unlink()

    result = train(recipe, tmp_path / "out", on_epoch=take_away)
    # The next one readable, number 7, stood in for 5 and 6: each of its misses is told.
    of_train = [
        f"cannot read the image {splits['train'].paths[5]}: No such file or directory",
        f"the image {splits['train'].paths[6]} is empty (0 bytes)",
        f"the image {splits['train'].paths[6]} is empty (0 bytes)",
    ]
    of_val = f"cannot read the image {splits['val'].paths[1]}: No such file or directory"
    assert reports[0].unreadable == ()
    assert sorted(reports[1].unreadable) == sorted([*of_train, of_val])
    assert sorted(reports[2].unreadable) == sorted(of_train)  # left out of validation for good
    assert [report.ap50 is None for report in reports] == [False] * 3
    assert result.unreadable == 7
    assert load_file(tmp_path / "out" / STATE)


@pytest.mark.parametrize("other", [{"training.workers": 2}, {"training.cache_mib": 64}], ids=str)
def test_what_stands_in_for_an_image_does_not_hang_on_how_it_is_loaded(
    splits: dict[str, Files],
    tiny_recipe: Callable[..., Recipe],
    tmp_path: Path,
    other: dict[str, Any],
) -> None:
    for index in (7, 2):  # behind the last comes the first
        path = splits["train"].paths[index]
        path.write_bytes(path.read_bytes()[:-40])
    shorter = {**THIN, "training.epochs": 2, "training.cache_mib": 0}
    train(tiny_recipe(shorter), tmp_path / "one")
    result = train(tiny_recipe({**shorter, **other}), tmp_path / "other")
    assert same_tensors(tmp_path / "one" / STATE, tmp_path / "other" / STATE)
    assert result.unreadable == 4


def test_where_no_image_is_left_it_says_so(
    splits: dict[str, Files], squares: Squares, recipe: Recipe, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    many = Files(tmp_path / "many", squares(MAX_UNREADABLE + 6))
    splits["train"] = many

    def unmount(report: EpochReport) -> None:
        for path in many.paths:
            path.unlink()

    for workers in (0, 1):
        folder = tmp_path / f"out{workers}"
        section = recipe.training.model_copy(update={"workers": workers})
        with pytest.raises(TrainingError, match="11 images in a row cannot be read, the first: ca"):
            train(recipe.model_copy(update={"training": section}), folder, on_epoch=unmount)
        assert load_file(folder / STATE)
        splits["train"] = many = Files(tmp_path / f"again{workers}", squares(16))


def test_validation_without_a_readable_image_is_no_end(
    splits: dict[str, Files], recipe: Recipe, tmp_path: Path
) -> None:
    for path in splits["val"].paths:
        path.unlink()
    reports: list[EpochReport] = []
    result = train(recipe, tmp_path / "out", on_epoch=reports.append)
    assert [len(report.unreadable) for report in reports] == [3, 0, 0]
    assert all(report.ap50 is not None and math.isnan(report.ap50) for report in reports)
    assert result.best.is_file()


@pytest.mark.parametrize("split", ["train", "val"])
def test_an_empty_split_is_refused(
    splits: dict[str, Files], squares: Squares, recipe: Recipe, tmp_path: Path, split: str
) -> None:
    splits[split] = Files(tmp_path / "empty", squares(0))
    with pytest.raises(DataError, match=f"the split {split} of empty holds no image"):
        train(recipe, tmp_path / "out")


def test_a_worker_that_is_killed_is_said_and_the_training_can_go_on(
    splits: dict[str, Files], tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    recipe = tiny_recipe({**THIN, "training.epochs": 2, "training.workers": 2})
    train(recipe, tmp_path / "whole")

    def kill(report: EpochReport) -> None:
        if report.epoch == 1:
            worker = multiprocessing.active_children()[0]
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGKILL)

    folder = tmp_path / "out"
    message = rf"images died \(DataLoader worker .*\d+.*\): .*training\.workers .*{STATE} is whole"
    with pytest.raises(ProcessError, match=message) as caught:
        train(recipe, folder, on_epoch=kill)
    assert "\n" not in str(caught.value)
    train(recipe, folder, resume=True)
    assert same_tensors(folder / STATE, tmp_path / "whole" / STATE)


@contextmanager
def disk_of(size_bytes: int, folder: Path) -> Iterator[Callable[[int], None]]:
    """Mount a small disk on a folder; yields what changes its size."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.strip()}")

    def resize(size_bytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size_bytes}", str(folder)], check=True)

    try:
        yield resize
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_fills_costs_nothing_that_was_saved(
    splits: dict[str, Files], recipe: Recipe, tmp_path: Path
) -> None:
    train(recipe, tmp_path / "whole")
    sizes = {p.name: p.stat().st_size for p in (tmp_path / "whole").glob("*.safetensors")}
    # The second state, written beside the first, does not fit any more.
    room = sum(sizes.values()) + sizes[STATE] // 2
    with disk_of(room, tmp_path / "disk") as resize:
        folder = tmp_path / "disk" / "training"
        kept: dict[str, bytes] = {}
        with pytest.raises(ArtifactError, match=rf"cannot write .*{STATE}: No space left"):
            train(recipe, folder, on_epoch=lambda report: kept.update(content(folder)))
        assert kept.keys() == sizes.keys()
        assert content(folder)[STATE] == kept[STATE]
        assert content(folder).keys() == kept.keys()
        resize(4 * room)
        epochs: list[int] = []
        train(recipe, folder, resume=True, on_epoch=lambda report: epochs.append(report.epoch))
        assert epochs == [2, 3]
        for name in sizes:
            assert same_tensors(folder / name, tmp_path / "whole" / name)


def content(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, also hidden ones, beside the curves."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_two_trainings_do_not_write_into_one_folder(
    splits: dict[str, Files], recipe: Recipe, tmp_path: Path
) -> None:
    def start_another(report: EpochReport) -> None:
        for resume in (False, True):
            with pytest.raises(ArtifactError, match="another training writes into"):
                train(recipe, tmp_path / "out", resume=resume)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        train(recipe, tmp_path / "out", on_epoch=start_another)
    train(recipe, tmp_path / "out", resume=True)


def test_what_an_interrupted_writing_left_is_cleared_away(
    splits: dict[str, Files], recipe: Recipe, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    for name in (".state-abc.safetensors", ".best-abc.safetensors", ".last-abc.safetensors"):
        (folder / name).write_bytes(b"half")
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    train(recipe, folder)
    assert sorted(p.name for p in folder.iterdir()) == [
        "best.safetensors", "last.safetensors", "notes.txt", STATE, "tensorboard"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scores", "patience", "epochs"),
    [
        ((0.5, 0.3, 0.5, 0.9), 0, 4),
        ((0.5, 0.3, 0.5, 0.9), 1, 2),
        ((0.5, 0.3, 0.5, 0.9), 2, 3),  # as good is not better
        ((0.5, 0.3, 0.5, 0.9), 3, 4),
        ((0.1, 0.2, 0.3, 0.4), 1, 4),
        ((math.nan, math.nan, math.nan, math.nan), 1, 4),  # nothing to be better than
    ],
)
def test_patience(
    splits: dict[str, Files],
    tiny_recipe: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    scores: tuple[float, ...],
    patience: int,
    epochs: int,
) -> None:
    answers = iter(scores)

    def evaluate(*_: Any, **__: Any) -> Any:
        return SimpleNamespace(accuracy=SimpleNamespace(ap50=next(answers), images=2))

    monkeypatch.setattr(validation, "evaluate", evaluate)
    recipe = tiny_recipe(
        {**THIN, "training.epochs": 4, "training.batch_size": 8, "training.patience": patience}
    )
    seen: list[int] = []
    result = train(recipe, tmp_path / "out", on_epoch=lambda report: seen.append(report.epoch))
    assert seen == [*range(1, epochs + 1)]
    assert result.stopped_early == (None if epochs == 4 else epochs)
    again = train(recipe, tmp_path / "out", resume=True, on_epoch=lambda report: seen.append(0))
    assert again.stopped_early == result.stopped_early and 0 not in seen
