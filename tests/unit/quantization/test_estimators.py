"""The estimators, each by itself: laws that hold for any histogram, and tables of known ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.quantization.ranges.entropy import entropy_range
from hexdet.quantization.ranges.estimators import Range, mse_range, percentile_range
from hexdet.quantization.ranges.histogram import Histogram

ESTIMATORS: dict[str, Callable[[Histogram], Range]] = {
    "percentile 99": lambda h: percentile_range(h, 99),
    "entropy": lambda h: entropy_range(h, 8),
    "mse 8": lambda h: mse_range(h, 8),
    "mse 16": lambda h: mse_range(h, 16),
}
each_estimator = pytest.mark.parametrize("estimate", ESTIMATORS.values(), ids=ESTIMATORS)


def even(low: float, high: float, counts: list[int] | npt.NDArray[np.int64]) -> Histogram:
    return Histogram(
        edges=np.linspace(low, high, len(counts) + 1), counts=np.asarray(counts, np.int64)
    )


def of(values: npt.NDArray[np.float64], bins: int = 4096) -> Histogram:
    low, high = min(values.min(), 0.0), max(values.max(), 0.0)
    counts, edges = np.histogram(values, bins, (low, high))
    return Histogram(edges=edges, counts=counts)


@st.composite
def histograms(draw: st.DrawFn) -> Histogram:
    counts = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=40))
    low = draw(st.floats(-100, 0))
    high = draw(st.floats(0, 100))
    return even(low, high, counts if any(counts) else [1, *counts[1:]])


@settings(deadline=None, max_examples=100, database=None)
@given(histogram=histograms())
@each_estimator
def test_a_range_contains_zero_and_lies_inside_the_extremes(
    estimate: Callable[[Histogram], Range], histogram: Histogram
) -> None:
    found = estimate(histogram)
    assert histogram.edges[0] <= found.low <= 0 <= found.high <= histogram.edges[-1]


@settings(deadline=None, max_examples=100, database=None)
@given(histogram=histograms())
def test_all_percent_are_the_extremes(histogram: Histogram) -> None:
    found = percentile_range(histogram, 100)
    assert (found.low, found.high) == (histogram.edges[0], histogram.edges[-1])


@settings(deadline=None, max_examples=100, database=None)
@given(histogram=histograms(), percent=st.floats(50.1, 99.99))
def test_a_percentile_holds_its_share(histogram: Histogram, percent: float) -> None:
    found = percentile_range(histogram, percent)
    inside = (histogram.edges[:-1] >= found.low) & (histogram.edges[1:] <= found.high)
    held = histogram.counts[inside].sum() / histogram.counts.sum()
    assert held >= percent / 100 - 1e-12


@settings(deadline=None, max_examples=60, database=None)
@given(histogram=histograms(), a=st.floats(51, 99.9), b=st.floats(51, 99.9))
def test_a_larger_share_is_no_smaller_range(histogram: Histogram, a: float, b: float) -> None:
    small, large = (percentile_range(histogram, p) for p in sorted((a, b)))
    assert large.low <= small.low and small.high <= large.high


@pytest.mark.parametrize(
    ("counts", "percent", "expected"),
    [
        ([1], 99, (0.0, 1.0)),
        ([100], 50.1, (0.0, 1.0)),
        ([90, 4, 3, 3], 90, (0.0, 0.75)),  # 5 percent may go: 3 do, 6 would be too many
        ([96, 2, 1, 1], 96, (0.0, 0.5)),
        ([3, 3, 4, 90], 90, (0.0, 1.0)),  # what lies near zero never goes
    ],
)
def test_percentiles_of_positive_values(
    counts: list[int], percent: float, expected: tuple[float, float]
) -> None:
    found = percentile_range(even(0, 1, counts), percent)
    assert (found.low, found.high) == expected


def test_percentiles_cut_both_tails() -> None:
    found = percentile_range(even(-2, 2, [1, 48, 50, 1]), 98)
    assert (found.low, found.high) == (-1.0, 1.0)


@each_estimator
def test_a_lone_outlier_is_given_up(estimate: Callable[[Histogram], Range]) -> None:
    body = np.random.default_rng(0).normal(0, 1, 200_000)
    found = estimate(of(np.append(body, 60.0)))
    # 16 bits are fine enough to keep even the outlier at no price.
    assert found.high == 60.0 if estimate is ESTIMATORS["mse 16"] else found.high < 50
    assert found.low < -2


@each_estimator
def test_evenly_spread_values_are_all_kept(estimate: Callable[[Histogram], Range]) -> None:
    found = estimate(of(np.random.default_rng(0).uniform(-3, 5, 400_000)))
    assert found.low == pytest.approx(-3, abs=0.1) and found.high == pytest.approx(5, abs=0.1)


def test_the_squared_error_is_the_least_of_all_ranges() -> None:
    """Against quantizing the values themselves, over a grid of ranges."""
    values = np.random.default_rng(1).laplace(0, 1, 50_000)
    histogram = of(values)

    def error(low: float, high: float) -> float:
        step = (high - low) / 255
        zero = np.round(-low / step)
        codes = np.clip(np.round(values / step) + zero, 0, 255)
        return float(np.square((codes - zero) * step - values).mean())

    found = mse_range(histogram, 8)
    shares = np.linspace(0.3, 1, 30)
    least = min(error(values.min() * a, values.max() * b) for a in shares for b in shares)
    assert error(found.low, found.high) <= 1.02 * least
    assert error(found.low, found.high) < 0.95 * error(values.min(), values.max())


def test_the_zeros_of_a_relu_hide_nothing() -> None:
    """KL divergence would be all about the zeros, and keep any range at all."""
    positive = np.abs(np.random.default_rng(2).normal(0, 1, 100_000))
    alone = entropy_range(of(np.append(positive, 40.0)), 8)
    with_zeros = entropy_range(of(np.concatenate([positive, [40.0], np.zeros(10**6)])), 8)
    assert with_zeros.high == pytest.approx(alone.high, rel=0.1)


def test_entropy_leaves_a_histogram_alone_that_has_fewer_bins_than_codes() -> None:
    found = entropy_range(even(-1, 1, [5] * 256), 8)
    assert (found.low, found.high) == (-1.0, 1.0)
    found = entropy_range(of(np.random.default_rng(0).normal(0, 1, 1000)), 16)
    assert found.low < -2.5 and found.high > 2.5
