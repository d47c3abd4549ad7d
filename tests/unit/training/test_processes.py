"""Several processes, started by torchrun, train as one does: the rounding alone differs."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hexdet.errors import RecipeError
from hexdet.recipe import Recipe
from hexdet.training.loading import EpochBatches
from hexdet.training.loop import train
from hexdet.training.processes import Processes, joined

CPU = torch.device("cpu")
TOLERANCE = 1e-3
"""Largest relative difference of a step's losses. The same sums are added in another order: that is
3e-6 at the first step. Every step through the batch norms multiplies it by 2 to 10, as it does
where one process takes the images of its batches in another order; 4e-5 was seen at the last.
Batch norms of each process's own statistics differ by 1e-2 and more from the first step on."""
RECIPE = {
    "data.train": 11,
    "training.batch_size": 5,  # shared as 3 and 2
    "training.epochs": 3,
    "training.validate_every": 3,
    "training.workers": 1,
    "training.start_from": "heads",
    "training.learning_rate": 1e-4,
}


@given(
    count=st.integers(1, 40),
    batch_size=st.integers(1, 12),
    processes=st.integers(1, 5),
    epoch=st.integers(0, 3),
)
def test_processes_share_every_batch_and_no_image_is_in_two(
    count: int, batch_size: int, processes: int, epoch: int
) -> None:
    if min(count, batch_size) < processes:
        with pytest.raises(RecipeError, match=f"{processes} processes cannot share batches"):
            EpochBatches(count, batch_size, 0, rank=0, processes=processes)
        return
    whole = EpochBatches(count, batch_size, 0)
    shares = [
        EpochBatches(count, batch_size, 0, rank=rank, processes=processes)
        for rank in range(processes)
    ]
    for batches in (whole, *shares):
        batches.epoch = epoch
    assert {len(batches) for batches in shares} == {len(whole)}
    for batch, *parts in zip(whole, *shares, strict=True):
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1 and min(sizes) > 0
        assert sorted(batch) == sorted(key for part in parts for key in part)
        assert len(set(batch)) == len(batch)


def together(count: int, job: Callable[[Processes], None], folder: Path) -> None:
    """Run a job in forked processes that have joined each other; it checks what it finds."""

    def child(rank: int) -> None:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=count
        )
        job(Processes(rank=rank, count=count, device=CPU))
        dist.barrier()
        dist.destroy_process_group()

    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=child, args=(rank,)) for rank in range(count)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0


def test_what_processes_tell_each_other(tmp_path: Path) -> None:
    texts = [[], ["one", 'tw"o\n'], ["\u4e2d" * 50]]

    def job(processes: Processes) -> None:
        rank = processes.rank
        assert processes.first == (rank == 0)
        own = torch.tensor([rank, 1])
        assert processes.total(own).tolist() == [3, 3]
        assert own.tolist() == [rank, 1]
        assert processes.from_first(torch.tensor(rank + 7)) == 7
        assert processes.bytes_from_first(bytes([rank]) * (rank + 5)) == bytes(5)
        assert processes.bytes_from_first(b"") == b""
        assert processes.gathered(texts[rank]) == [text for part in texts for text in part]
        network = torch.nn.BatchNorm2d(2)
        torch.nn.init.constant_(network.weight, rank)
        network.running_mean += rank  # type: ignore[operator]
        processes.same(network)
        assert network.weight.tolist() == [0, 0]
        assert network.running_mean.tolist() == [0, 0]  # type: ignore[union-attr, operator]

    together(3, job, tmp_path)


def test_one_process_tells_itself() -> None:
    alone = Processes(device=CPU)
    value = torch.tensor(3)
    assert alone.first
    assert alone.total(value) is value and alone.from_first(value) is value
    assert alone.bytes_from_first(b"abc") == b"abc"
    assert alone.gathered(("a", "b")) == ["a", "b"]
    network = torch.nn.Linear(1, 1)
    assert alone.share(network) is network


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with joined() as processes:
        assert (processes.rank, processes.count, processes.local_count) == (0, 1, 1)


def arguments(values: dict[str, Any]) -> list[str]:
    """Return a recipe's values as the command line takes them."""
    return [part for key, value in values.items() for part in ("--set", f"{key}={value}")]


def losses(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the losses of every step, by name, from the curves."""
    found = EventAccumulator(str(folder))
    found.Reload()
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
        if tag.startswith("loss/")
    }


def torchrun(count: int, verb: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return subprocess.run(
        [sys.executable, *command, "-m", "hexdet", *verb],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_two_processes_train_as_one_does(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    values = {"network.width": 96, "network.height": 96, "data.val": 2, **RECIPE}
    values["training.precision"] = "float32"
    result = torchrun(2, ["train", "heads", *arguments(values), "--build", str(tmp_path)])
    assert result.returncode == 0, result.stderr
    # The first alone shows anything.
    for text in ("epoch 1/3: ", "epoch 3/3: ", "start from "):
        assert result.stderr.count(text) == 1, result.stderr
    assert result.stdout.count("best checkpoint") == 1

    shared = tmp_path / "heads" / "training"
    train(tiny_recipe(RECIPE), tmp_path / "alone")
    expected, found = losses(tmp_path / "alone" / "tensorboard"), losses(shared / "tensorboard")
    assert expected.keys() == found.keys() == {"loss/score", "loss/box", "loss/total"}
    for name, curve in expected.items():
        assert [step for step, _ in found[name]] == [step for step, _ in curve] == [*range(1, 7)]
        np.testing.assert_allclose(
            [value for _, value in found[name]], [value for _, value in curve], rtol=TOLERANCE
        )
    one, two = (load_file(folder / "state.safetensors") for folder in (tmp_path / "alone", shared))
    assert one.keys() == two.keys()
    # What it was saved by goes on with another number of processes: here with one, to nothing.
    assert train(tiny_recipe(RECIPE), shared, resume=True).ap50 >= 0
