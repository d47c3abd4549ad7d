"""Loading: what a training sees depends on seed, epoch and index, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from hexdet.datasets.record import Dataset
from hexdet.recipe import Recipe
from hexdet.runtime.anchors import all_anchors
from hexdet.training.contract import contract_of
from hexdet.training.loading import EpochBatches, TrainingSamples, make_loader

Squares = Callable[[int], Dataset]
Batch = list[torch.Tensor]


@pytest.fixture
def recipe(tiny_recipe: Callable[..., Recipe]) -> Recipe:
    return tiny_recipe()


def samples_of(recipe: Recipe, dataset: Dataset) -> TrainingSamples:
    return TrainingSamples(dataset, contract_of(recipe), recipe.training)


def epochs_of(
    recipe: Recipe, dataset: Dataset, *, workers: int, epochs: tuple[int, ...], batch_size: int = 4
) -> list[Batch]:
    batches = EpochBatches(len(dataset), batch_size, recipe.training.seed)
    loader = make_loader(samples_of(recipe, dataset), batches, workers)
    found = []
    for epoch in epochs:
        batches.epoch = epoch
        found += [list(batch[:3]) for batch in loader]  # type: ignore[index]
    return found


def same(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x, y)
        for one, other in zip(a, b, strict=True)
        for x, y in zip(one, other, strict=True)
    )


def test_a_batch_is_what_the_network_and_the_losses_read(recipe: Recipe, squares: Squares) -> None:
    contract = contract_of(recipe)
    pixels, labels, deltas = epochs_of(recipe, squares(4), workers=0, epochs=(0,))[0]
    anchors = len(all_anchors(contract))
    assert (pixels.dtype, tuple(pixels.shape)) == (torch.uint8, (4, 96, 96, 3))
    assert (labels.dtype, tuple(labels.shape)) == (torch.int64, (4, anchors))
    assert (deltas.dtype, tuple(deltas.shape)) == (torch.float32, (4, anchors, 4))
    assert (labels > 0).any(dim=1).all()


def test_pixels_are_rgb(tiny_recipe: Callable[..., Recipe], squares: Squares) -> None:
    """A record is BGR as OpenCV reads it; the contract's input is RGB."""
    nothing = {
        f"training.augment.{k}": 0 for k in ("photometric", "grey", "expand", "crop", "flip")
    }
    recipe = tiny_recipe(nothing)

    class Red:
        def __getattr__(self, name: str) -> Any:
            return getattr(squares(1), name)

        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Any:
            record = squares(1)[index]
            record.image[...] = (0, 0, 255)
            return record

    pixels, *_ = samples_of(recipe, Red())[0, 0]  # type: ignore[arg-type]
    assert pixels.reshape(-1, 3).min(axis=0).tolist() == [255, 0, 0]
    assert pixels.reshape(-1, 3).max(axis=0).tolist() == [255, 0, 0]


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(recipe: Recipe, squares: Squares, workers: int) -> None:
    alone = epochs_of(recipe, squares(10), workers=0, epochs=(0, 1))
    shared = epochs_of(recipe, squares(10), workers=workers, epochs=(0, 1))
    assert len(alone) == 4
    assert same(alone, shared)


def test_an_epoch_can_be_begun_anywhere(recipe: Recipe, squares: Squares) -> None:
    whole = epochs_of(recipe, squares(8), workers=0, epochs=(0, 1, 2))
    assert same(whole[4:], epochs_of(recipe, squares(8), workers=0, epochs=(2,)))


def test_samples_are_the_same_in_any_order(recipe: Recipe, squares: Squares) -> None:
    keys = [(epoch, index) for epoch in range(2) for index in range(5)]
    forward = {key: samples_of(recipe, squares(5))[key] for key in keys}
    one = samples_of(recipe, squares(5))
    for key in reversed(keys):
        for a, b in zip(one[key][:3], forward[key][:3], strict=True):
            np.testing.assert_array_equal(a, b)


def test_epochs_and_seeds_differ(tiny_recipe: Callable[..., Recipe], squares: Squares) -> None:
    first, other = (samples_of(tiny_recipe({"training.seed": seed}), squares(3)) for seed in (0, 1))
    seen = {
        samples[epoch, index][0].tobytes()
        for samples in (first, other)
        for epoch in range(3)
        for index in range(3)
    }
    assert len(seen) == 2 * 3 * 3


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"),
    [(1, 4, [1]), (3, 4, [3]), (4, 4, [4]), (7, 4, [4]), (10, 4, [4, 4]), (5, 1, [1] * 5)],
)
def test_the_incomplete_batch_is_left_out_unless_it_is_the_only_one(
    count: int, batch_size: int, sizes: list[int]
) -> None:
    batches = EpochBatches(count, batch_size, 0)
    found = list(batches)
    assert len(batches) == len(found)
    assert [len(batch) for batch in found] == sizes
    indices = [index for batch in found for _, index in batch]
    assert len(set(indices)) == len(indices)
    assert set(indices) <= set(range(count))


def test_every_epoch_has_its_own_order_and_in_the_end_every_image_its_turn() -> None:
    batches, again = EpochBatches(10, 4, 0), EpochBatches(10, 4, 0)
    orders = []
    for epoch in range(8):
        batches.epoch = again.epoch = epoch
        order = [key for batch in batches for key in batch]
        assert order == [key for batch in again for key in batch]
        assert {key[0] for key in order} == {epoch}
        orders.append(tuple(index for _, index in order))
    assert len(set(orders)) == 8
    assert {index for order in orders for index in order} == set(range(10))
    other = EpochBatches(10, 4, 1)
    assert tuple(index for batch in other for _, index in batch) != orders[0]


def test_workers_are_forked_while_opencv_has_no_threads(
    recipe: Recipe, squares: Squares, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug: one fork in ten after work of OpenCV on several threads gave a worker that hung."""
    begin, seen = DataLoader.__iter__, []

    def note(loader: DataLoader[Any]) -> Any:
        seen.append(cv2.getNumThreads())
        return begin(loader)

    monkeypatch.setattr(DataLoader, "__iter__", note)
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    try:
        assert len(epochs_of(recipe, squares(8), workers=2, epochs=(0,))) == 2
        assert (seen, cv2.getNumThreads()) == ([1], 3)
    finally:
        cv2.setNumThreads(before)
