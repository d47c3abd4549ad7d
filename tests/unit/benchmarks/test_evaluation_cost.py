"""The measurement runs and counts what it did; how fast this machine is, is no test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hexdet.benchmarks import evaluation
from hexdet.benchmarks.evaluation import describe, measure
from hexdet.datasets.scenes import Scenes
from hexdet.errors import UsageError
from hexdet.runtime.backend import CpuBackend
from hexdet.runtime.contract import DetectorContract

from ..conftest import MakeBundle


@pytest.fixture(autouse=True)
def pretended_htp(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_cpu(bundle: Path, contract: DetectorContract) -> CpuBackend:
        return CpuBackend(bundle, contract, "int8", threads=1)

    monkeypatch.setattr(evaluation, "HtpBackend", open_cpu)


def test_one_and_many_work_the_same_images(make_bundle: MakeBundle) -> None:
    cost = measure(make_bundle(), Scenes(split="test", count=3, seed=0), images=24, workers=2)
    assert (cost.workers, cost.images, cost.rounds) == (2, 24, 2)
    numbers: list[Any] = [cost.one_s, cost.many_s, cost.ratio]
    assert all(number > 0 for number in numbers)
    assert "ratio" in describe(cost)


def test_one_worker_is_refused(make_bundle: MakeBundle) -> None:
    with pytest.raises(UsageError, match="at least two"):
        measure(make_bundle(), Scenes(split="test", count=1, seed=0), workers=1)
