"""A real scheduler and two real workers on loopback: the same figures, also if one is killed."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hexdet.datasets.scenes import Scenes
from hexdet.errors import ToolError
from hexdet.evaluation.cluster import ClusterPool
from hexdet.evaluation.running import evaluate
from hexdet.runtime.detector import Detector

from ..conftest import MakeBundle

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")  # tornado and Dask leave sockets to be collected

IMAGES = 24


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Yield the address of a scheduler, and its two workers."""
    file = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    dask = [sys.executable, "-m", "dask"]
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
         "--scheduler-file", str(file)], **quiet)  # type: ignore[call-overload]  # fmt: skip
    workers: list[subprocess.Popen[bytes]] = []
    try:
        limit = time.monotonic() + 120
        while not file.is_file() and time.monotonic() < limit:
            time.sleep(0.05)
        workers += [
            subprocess.Popen(
                [*dask, "worker", "--scheduler-file", str(file), "--no-nanny", "--nthreads", "1",
                 "--no-dashboard"], **quiet)  # type: ignore[call-overload]
            for _ in range(2)
        ]  # fmt: skip
        with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(2, timeout=120)
            address = client.scheduler.address
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def test_a_cluster_finds_the_same_though_a_worker_is_killed(
    make_bundle: MakeBundle, cluster: tuple[str, list[subprocess.Popen[bytes]]]
) -> None:
    address, workers = cluster
    opener = functools.partial(Detector.load, make_bundle(), backend="cpu", threads=1)
    scenes = Scenes(split="test", count=IMAGES, seed=0)
    with opener() as detector:
        alone = evaluate(detector, scenes, score=0.01)

    done: list[int] = []
    with ClusterPool(opener, address) as pool:
        assert pool.workers == 2
        whole = evaluate(pool, scenes, score=0.01)

        def kill(count: int, total: int) -> None:
            done.append(count)
            if count == IMAGES // 3:
                os.kill(workers[0].pid, signal.SIGKILL)

        broken = evaluate(pool, scenes, score=0.01, progress=kill)
        assert workers[0].wait(30) == -signal.SIGKILL
    assert done == list(range(1, IMAGES + 1))
    for other in (whole, broken):
        assert other.accuracy == alone.accuracy
        for ours, theirs in zip(other.detections, alone.detections, strict=True):
            assert np.array_equal(ours.boxes, theirs.boxes)
            assert np.array_equal(ours.scores, theirs.scores)
            assert np.array_equal(ours.labels, theirs.labels)


def test_no_scheduler_is_told(make_bundle: MakeBundle) -> None:
    opener = functools.partial(Detector.load, make_bundle(), backend="cpu", threads=1)
    with pytest.raises(ToolError, match="no Dask scheduler"):
        ClusterPool(opener, "tcp://127.0.0.1:9", connect_s=0.5)
