"""k-means with 1 - IoU: it never gets worse, finds what was planted, and does so every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexdet.training.anchor_fitting.kmeans import Sizes, cluster, first_centres, run, size_iou


def of(*pairs: tuple[float, float]) -> Sizes:
    return np.asarray(pairs, np.float64).reshape(-1, 2)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (of(), of((1, 1)), np.zeros((0, 1))),
        (of((2, 3)), of(), np.zeros((1, 0))),
        (of((10, 20)), of((10, 20)), [[1.0]]),
        (of((10, 10)), of((20, 20)), [[0.25]]),
        (of((10, 20)), of((20, 10)), [[1 / 3]]),
        (of((4, 4), (8, 2)), of((4, 2)), [[0.5], [0.5]]),
    ],
    ids=["no box", "no centre", "itself", "inside", "a cross", "two"],
)
def test_the_iou_of_two_sizes_on_one_centre(a: Sizes, b: Sizes, expected: object) -> None:
    np.testing.assert_allclose(size_iou(a, b), expected)


sides = st.floats(1.0, 400.0)
boxes = st.lists(st.tuples(sides, sides), min_size=1, max_size=40).map(lambda v: of(*v))


@given(sizes=boxes, k=st.integers(1, 6), seed=st.integers(0, 99))
def test_the_cost_never_rises(sizes: Sizes, k: int, seed: int) -> None:
    start = np.random.default_rng(seed).uniform(1, 400, (k, 2))
    found = run(sizes, start)
    assert (np.diff(found.costs) <= 1e-12).all()
    assert found.costs[-1] == pytest.approx(
        1 - size_iou(sizes, found.sizes).max(axis=1).mean(), abs=1e-12
    )
    assert (np.diff(found.sizes.prod(axis=1)) >= 0).all()


@given(sizes=boxes, k=st.integers(1, 4), more=st.tuples(sides, sides), seed=st.integers(0, 99))
def test_another_centre_never_costs_more(
    sizes: Sizes, k: int, more: tuple[float, float], seed: int
) -> None:
    found = run(sizes, np.random.default_rng(seed).uniform(1, 400, (k, 2)))
    assert run(sizes, np.concatenate([found.sizes, of(more)])).costs[-1] <= found.costs[-1] + 1e-12


def test_as_many_centres_as_sizes_cost_nothing() -> None:
    sizes = of((10, 20), (10, 20), (30, 10), (100, 90))
    found = cluster(sizes, 3)
    np.testing.assert_allclose(found.sizes, of((10, 20), (30, 10), (100, 90)))
    assert found.costs[-1] == pytest.approx(0)


def test_planted_clusters_are_found_and_the_same_again() -> None:
    rng = np.random.default_rng(3)
    planted = of((20, 30), (60, 40), (150, 180))
    sizes = np.concatenate([p * rng.lognormal(0, 0.05, (200, 2)) for p in planted])
    found = cluster(sizes, 3, seed=5)
    np.testing.assert_allclose(found.sizes, planted, rtol=0.03)
    np.testing.assert_array_equal(found.sizes, cluster(sizes, 3, seed=5).sizes)


def test_first_centres_are_different_sizes() -> None:
    sizes = of(*[(10, 20)] * 50, (11, 20), (300, 4))
    for seed in range(5):
        drawn = first_centres(sizes, 3, np.random.default_rng(seed))
        assert len(np.unique(drawn, axis=0)) == 3


def test_a_centre_that_no_box_is_nearest_to_stays() -> None:
    found = run(of((10, 10), (12, 12)), of((11, 11), (300, 1)))
    assert [300.0, 1.0] in found.sizes.tolist()
