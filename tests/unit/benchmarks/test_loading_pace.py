"""The measurement runs and reports what it measured; how fast this machine is, is no test."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from hexdet.benchmarks.loading import LoadingCost, Pace, describe, measure
from hexdet.recipe import load_recipe

TINY = (
    "data.train=12", "network.width=96", "network.height=96", "network.width_multiplier=0.25",
    "training.batch_size=2", "training.precision=float32",
)  # fmt: skip
PACE = Pace(images_per_s=90.0, read_ms=0.5, augment_ms=1.25, match_ms=0.75, cached=1.0)
COST = LoadingCost(
    recipe="r", images=8, images_available=16, batch_size=4, workers=1, cache_mib=64, device="cpu",
    threads=2, precision="float32", rounds=3, first=replace(PACE, images_per_s=10.0, cached=0.0),
    later=PACE, step_images_per_s=20.0, together_images_per_s=19.0, waiting=0.05,
)  # fmt: skip


@pytest.mark.parametrize("workers", [0, 1])
def test_everything_is_measured(workers: int) -> None:
    threads = torch.get_num_threads()
    seen: list[tuple[int, int]] = []
    cost = measure(
        load_recipe("heads", [*TINY, f"training.workers={workers}"]),
        images=8,
        rounds=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (cost.images, cost.images_available, cost.workers, cost.rounds) == (8, 12, workers, 1)
    assert (cost.first.cached, cost.later.cached) == (0.0, 1.0)
    for pace in (cost.first, cost.later):
        for value in (pace.images_per_s, pace.read_ms, pace.augment_ms, pace.match_ms):
            assert value > 0 and math.isfinite(value)
    assert cost.later.read_ms < cost.first.read_ms  # rendered once
    assert cost.step_images_per_s > 0
    assert cost.together_images_per_s > 0 and 0 < cost.waiting < 1
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(("step", "word"), [(30.0, "at least the 3 times"), (31.0, "not the 3")])
def test_what_is_said(step: float, word: str) -> None:
    text = describe(replace(COST, step_images_per_s=step))
    assert word in text
    for part in ("8 of 16 training images", "1 worker,", "90.0", "1.25 ms", "0.3 times in the fir"):
        assert part in text, text
