"""The choice of calibration images: the same for the same seed, and never one twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.calibration_data.farthest import farthest_points
from hexdet.calibration_data.features import features_of
from hexdet.calibration_data.selection import CANDIDATES, choose
from hexdet.calibration_data.stratified import share_out, strata_of
from hexdet.datasets.record import Annotation
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


@pytest.mark.parametrize("selection", ["random", "stratified", "farthest"])
@pytest.mark.parametrize("count", [0, 1, 6, 20])
def test_each_way_chooses_so_many_and_the_same_ones_again(
    ramps: Any, selection: Any, count: int
) -> None:
    chosen = choose(ramps(count=20), count, 1, selection)
    assert len(set(chosen)) == count
    assert chosen == sorted(chosen) == choose(ramps(count=20), count, 1, selection)
    assert set(chosen) <= set(range(20))


@pytest.mark.parametrize("selection", ["stratified", "farthest"])
def test_only_candidates_are_looked_at_and_told_of(ramps: Any, selection: Any) -> None:
    dataset, told = ramps(count=60), []
    choose(dataset, 2, 0, selection, lambda *count: told.append(count))
    assert told == [(i + 1, 2 * CANDIDATES) for i in range(2 * CANDIDATES)]
    assert len(dataset.read) == (0 if selection == "stratified" else 2 * CANDIDATES)


def truth(count: int, side_px: float) -> Annotation:
    boxes = np.tile(np.array([0, 0, side_px, side_px], np.float32), (count, 1))
    return Annotation(boxes=boxes, labels=np.ones(count, np.int64), ignore=np.zeros(count, bool))


@pytest.mark.parametrize(
    ("truths", "strata"),
    [
        ([], []),
        ([truth(0, 1)], [(0, 0)]),
        ([truth(3, 9)], [(1, 1)]),
        (
            [truth(0, 1), truth(1, 30), truth(5, 20), truth(9, 10)],
            [(0, 0), (1, 3), (2, 2), (3, 1)],
        ),
    ],
)
def test_strata_go_from_few_to_many_and_from_small_to_large(
    truths: list[Annotation], strata: list[tuple[int, int]]
) -> None:
    assert strata_of(truths) == strata


@pytest.mark.parametrize(
    ("strata", "count", "shares"),
    [
        ("aaabbb", 0, {}),
        ("aaaaaabbb", 3, {"a": 2, "b": 1}),
        ("aaaaaaab", 4, {"a": 4}),  # 3.5 and 0.5: of equal remainders the first
        ("abc", 3, {"a": 1, "b": 1, "c": 1}),
    ],
)
def test_each_stratum_has_its_share(strata: str, count: int, shares: dict[str, int]) -> None:
    places = share_out(strata, count, np.random.default_rng(0))
    found = [strata[i] for i in places]
    assert {s: found.count(s) for s in set(found)} == shares


def test_the_farthest_are_the_corners() -> None:
    corners = np.array([[0, 0], [0, 10], [10, 0], [10, 10]], np.float32)
    crowd = np.random.default_rng(0).normal(5, 0.1, (50, 2)).astype(np.float32)
    chosen = farthest_points(np.concatenate([crowd, corners]), 5)
    assert chosen[0] < 50  # the first stands for the crowd
    assert sorted(chosen[1:]) == [50, 51, 52, 53]


def test_equal_points_are_taken_once_each() -> None:
    assert sorted(farthest_points(np.zeros((4, 3), np.float32), 4)) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="5 of 4"):
        farthest_points(np.zeros((4, 3), np.float32), 5)


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (480, 640)])
def test_features_are_shares_of_the_brightest(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3)).astype(np.uint8)
    found = features_of(noise)
    assert found.shape == (256,) and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1
    flat = features_of(np.full((*size, 3), 255, np.uint8)).reshape(-1, 4)
    np.testing.assert_allclose(flat[:, :3], 1)
    np.testing.assert_allclose(flat[:, 3], 0, atol=1e-6)
