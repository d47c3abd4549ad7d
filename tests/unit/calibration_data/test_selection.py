"""The choice of calibration images: the same for the same seed, and never one twice."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.calibration_data.selection import choose
from hexdet.datasets.scenes import Scenes
from hexdet.errors import DataError


def dataset(count: int) -> Scenes:
    """A dataset that renders nothing until it is asked for an image."""
    return Scenes(split="train", count=count)


@pytest.mark.parametrize("size", [0, 5])
def test_none_of_any_is_none(size: int) -> None:
    assert choose(dataset(size), 0, seed=0) == []


def test_all_are_all() -> None:
    assert choose(dataset(7), 7, seed=3) == list(range(7))


@settings(deadline=None, max_examples=60, database=None)
@given(size=st.integers(1, 500), share=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_indices_are_distinct_ascending_and_of_the_dataset(
    size: int, share: float, seed: int
) -> None:
    count = int(share * size)
    chosen = choose(dataset(size), count, seed)
    assert len(chosen) == count
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(range(size))
    assert all(type(index) is int for index in chosen)


def test_the_same_seed_chooses_the_same() -> None:
    assert choose(dataset(300), 20, seed=4) == choose(dataset(300), 20, seed=4)


def test_another_seed_chooses_others() -> None:
    assert len({tuple(choose(dataset(300), 20, seed)) for seed in range(5)}) == 5


def test_the_choice_is_spread_over_the_dataset() -> None:
    chosen = choose(dataset(1000), 100, seed=0)
    # Each quarter expects 25, with a standard deviation of 4.
    assert all(10 < sum(start <= i < start + 250 for i in chosen) < 40 for start in (0, 250, 500))


@pytest.mark.parametrize(("count", "size"), [(1, 0), (6, 5), (64, 10)])
def test_more_than_there_are_is_refused(count: int, size: int) -> None:
    with pytest.raises(DataError, match=rf"calibration\.images is {count}, .* {size} images"):
        choose(dataset(size), count, seed=0)
