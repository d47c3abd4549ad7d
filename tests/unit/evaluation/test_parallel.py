"""The pool: really at once, in order, one thread a detector, and over at the first error."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hexdet.datasets.scenes import Scenes
from hexdet.errors import ToolError
from hexdet.evaluation.parallel import DetectorPool, worker_count
from hexdet.evaluation.running import evaluate
from hexdet.runtime.backend import Backend, CpuBackend
from hexdet.runtime.contract import load_contract
from hexdet.runtime.detector import Detector

from ..conftest import CONTRACT, MakeBundle

PATIENCE_S = 30.0


class Idle(Backend):
    """A backend that only knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def run(self, pixels: npt.NDArray[np.uint8]) -> Mapping[str, npt.NDArray[Any]]:
        raise AssertionError("no image was asked for")

    def close(self) -> None:
        self.closed.set()


def opener(opened: list[Idle]) -> Callable[[], Detector]:
    def open_one() -> Detector:
        opened.append(Idle())
        return Detector(CONTRACT, opened[-1])

    return open_one


def test_no_items_no_results() -> None:
    with DetectorPool(opener([]), 2) as pool:
        assert list(pool.stream(lambda detector, item: item, [])) == []


def test_results_come_in_the_order_of_the_items_though_the_second_is_done_first() -> None:
    second_is_done = threading.Event()

    def job(detector: Detector, item: int) -> int:
        if item == 0:
            assert second_is_done.wait(PATIENCE_S)
        if item == 1:
            second_is_done.set()
        return item * item

    with DetectorPool(opener([]), 2) as pool:
        assert list(pool.stream(job, range(9))) == [n * n for n in range(9)]


def test_all_workers_are_at_work_at_once_each_with_a_detector_of_its_own() -> None:
    together = threading.Barrier(3, timeout=PATIENCE_S)
    seen: list[set[int]] = []
    busy: set[int] = set()
    lock = threading.Lock()

    def job(detector: Detector, item: int) -> None:
        with lock:
            assert id(detector) not in busy
            busy.add(id(detector))
        together.wait()
        with lock:
            seen.append(set(busy))
        together.wait()
        with lock:
            busy.discard(id(detector))

    with DetectorPool(opener([]), 3) as pool:
        list(pool.stream(job, range(6)))
    assert all(len(at_once) == 3 for at_once in seen)


def test_items_are_taken_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(1000):
            taken.append(item)
            yield item

    with DetectorPool(opener([]), 2) as pool:
        results = pool.stream(lambda detector, item: item, items())
        assert next(results) == 0
        assert len(taken) <= 8
        results.close()  # type: ignore[attr-defined]


def test_an_error_ends_everything() -> None:
    opened: list[Idle] = []

    def job(detector: Detector, item: int) -> int:
        if item == 3:
            raise ToolError("the emulator died")
        return item

    done: list[int] = []
    with DetectorPool(opener(opened), 2) as pool:
        with pytest.raises(ToolError, match="died"):
            done.extend(pool.stream(job, range(100)))
        assert done == [0, 1, 2]
        assert [idle.closed.is_set() for idle in opened] == [True, True]


def test_closing_releases_a_worker_that_waits_for_its_emulator() -> None:
    opened: list[Idle] = []

    def job(detector: Detector, item: int) -> None:
        if item == 0:
            raise ToolError("the first died")
        assert detector.backend.closed.wait(PATIENCE_S)  # type: ignore[attr-defined]

    pool = DetectorPool(opener(opened), 2)
    with pytest.raises(ToolError, match="the first"):
        list(pool.stream(job, range(2)))


def test_where_one_does_not_open_the_others_are_closed() -> None:
    opened: list[Idle] = []
    turn = threading.Lock()

    def open_one() -> Detector:
        with turn:
            if len(opened) == 1:
                opened.append(Idle())
                raise ToolError("no more memory")
            opened.append(Idle())
            return Detector(CONTRACT, opened[-1])

    with pytest.raises(ToolError, match="memory"):
        DetectorPool(open_one, 2)
    assert opened[0].closed.is_set()


def test_closing_twice_does_no_harm() -> None:
    opened: list[Idle] = []
    pool = DetectorPool(opener(opened), 2)
    pool.close()
    pool.close()
    assert all(idle.closed.is_set() for idle in opened)


@pytest.mark.parametrize(
    ("asked", "images", "expected"), [(3, 10, 3), (3, 2, 2), (1, 10, 1), (2, 0, 1)]
)
def test_there_are_no_more_workers_than_images(asked: int, images: int, expected: int) -> None:
    assert worker_count(asked, images) == expected
    assert worker_count(None, images) >= 1


def test_a_pool_scores_as_one_detector_does(make_bundle: MakeBundle) -> None:
    folder = make_bundle()
    contract = load_contract(folder)

    def open_one() -> Detector:
        return Detector(contract, CpuBackend(folder, contract, "int8", threads=1))

    dataset = Scenes(split="test", count=5, seed=0)
    told: list[tuple[int, int]] = []
    with open_one() as detector, DetectorPool(open_one, 3) as pool:
        alone = evaluate(detector, dataset, score=0.01)
        shared = evaluate(
            pool, dataset, score=0.01, progress=lambda done, total: told.append((done, total))
        )
    assert told == [(n, 5) for n in range(1, 6)]
    assert shared.accuracy == alone.accuracy
    assert shared.backend == alone.backend
    for one, other in zip(alone.detections, shared.detections, strict=True):
        assert len(one) > 0
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.scores, other.scores)
