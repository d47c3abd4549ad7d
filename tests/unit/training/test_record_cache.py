"""The cache: what was read once comes back to the bit, from any process, in bounded memory."""

from __future__ import annotations

import multiprocessing
import string
from collections.abc import Callable
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.datasets.record import Annotation, Dataset, Record
from hexdet.errors import DataError, RecipeError
from hexdet.training.record_cache import RecordCache

MIB = 2**20


class Given:
    """A dataset of given records, which counts how often each is read."""

    name = "given"
    classes: tuple[str, ...] = ("head",)

    def __init__(self, records: list[Record]) -> None:
        self.records, self.reads = records, [0] * len(records)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Record:
        self.reads[index] += 1
        return self.records[index]


def cache_of(records: list[Record], capacity: int = MIB) -> tuple[RecordCache, list[int]]:
    dataset = Given(records)
    return RecordCache(dataset, capacity), dataset.reads  # type: ignore[arg-type]


def record(seed: int, *, height: int = 20, width: int = 30, landmarks: bool = False) -> Record:
    rng = np.random.default_rng(seed)
    count = seed % 4
    truth = Annotation(
        boxes=rng.random((count, 4)).astype(np.float32),
        labels=np.arange(count),
        ignore=rng.random(count) < 0.5,
        landmarks=rng.random((count, 5, 2)).astype(np.float32) if landmarks else None,
    )
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return Record(name=f'r"{seed}\u00e9', image=image, annotation=truth)


def same(a: Record, b: Record) -> bool:
    pairs = [(a.image, b.image)]
    pairs += [
        (getattr(a.annotation, f.name), getattr(b.annotation, f.name)) for f in fields(Annotation)
    ]
    return a.name == b.name and all(
        x is y is None or (x.dtype == y.dtype and x.shape == y.shape and np.array_equal(x, y))
        for x, y in pairs
    )


@pytest.mark.parametrize("landmarks", [False, True])
def test_what_was_read_comes_back_and_is_read_once(landmarks: bool) -> None:
    records = [record(i, landmarks=landmarks) for i in range(6)]
    assert {len(r.annotation) for r in records} >= {0, 2}
    cache, reads = cache_of(records)
    assert len(cache) == 6 and cache.used_bytes == 0
    for expected in (False, True, True):
        for index in (3, 0, 5, 1, 4, 2):
            found, cached = cache.read(index)
            assert cached is expected
            assert same(found, records[index])
    assert reads == [1] * 6


@settings(deadline=None, max_examples=30)
@given(
    name=st.text(string.printable + "\u00e9\u4e2d", max_size=20),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    order=st.permutations(range(4)),
)
def test_any_size_and_name(name: str, height: int, width: int, order: list[int]) -> None:
    records = [record(i, height=height + i, width=width) for i in range(4)]
    records[2] = Record(name=name, image=records[2].image[::-1], annotation=records[2].annotation)
    cache, _ = cache_of(records)
    for index in [*order, *order]:
        assert same(cache.read(index)[0], records[index])


def test_it_is_filled_once_and_holds_its_bound() -> None:
    records = [record(i) for i in range(10)]
    size = cache_of(records[:1])[0]
    size.read(0)
    room = int(size.used_bytes * 3.5)
    cache, reads = cache_of(records, room)
    for _ in range(3):
        found = [cache.read(index)[1] for index in range(10)]
    assert found == [True] * 3 + [False] * 7
    assert reads == [1] * 3 + [3] * 7
    assert cache.used_bytes <= room


def test_without_memory_everything_is_read_each_time() -> None:
    cache, reads = cache_of([record(0)], 0)
    assert [cache.read(0)[1] for _ in range(3)] == [False] * 3
    assert reads == [3]


def test_nobody_can_change_what_is_kept() -> None:
    cache, _ = cache_of([record(1)])
    cache.read(0)
    found, cached = cache.read(0)
    assert cached
    with pytest.raises(ValueError, match="read-only"):
        found.image[0, 0] = 1


def test_what_one_process_has_read_all_have() -> None:
    records = [record(i) for i in range(4)]
    cache, reads = cache_of(records)
    cache.read(0)
    context = multiprocessing.get_context("fork")

    def child(index: int) -> None:
        assert cache.read(0)[1]
        assert not cache.read(index)[1]

    for index in (1, 2):
        process = context.Process(target=child, args=(index,))
        process.start()
        process.join(30)
        assert process.exitcode == 0
    for index, expected in ((0, True), (1, True), (2, True), (3, False)):
        found, cached = cache.read(index)
        assert cached is expected
        assert same(found, records[index])
    assert reads == [1, 0, 0, 1]  # of this process


def test_what_cannot_be_read_is_not_kept(squares: Callable[[int], Dataset]) -> None:
    dataset = squares(2)

    class Broken:
        broken = True

        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int) -> Record:
            if self.broken:
                raise DataError("gone")
            return dataset[index]

    broken = Broken()
    cache = RecordCache(broken, MIB)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="gone"):
        cache.read(1)
    broken.broken = False
    assert not cache.read(1)[1]
    assert cache.read(1)[1]


def test_memory_that_the_system_refuses_is_said() -> None:
    with pytest.raises(RecipeError, match=r"training\.cache_mib: .* MiB are refused"):
        cache_of([record(0)], 2**62)
