"""Histograms that grow: exact counts, whatever the order of what they are given."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.quantization.ranges.histogram import (
    REACH,
    SMALLEST_EXPONENT,
    GrowingHistogram,
    Histogram,
    exponent_for,
)

Values = npt.NDArray[np.float32]
PARTS = st.lists(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20), min_size=1, max_size=6
)


def histogram_of(parts: list[Values]) -> Histogram:
    """Count as calibration does: each part by the bins that suit it, in the order given."""
    growing: GrowingHistogram | None = None
    for part in parts:
        largest = float(np.abs(part).max())
        growing = growing or GrowingHistogram(largest)
        exponent = growing.exponent_of_int16(largest)
        bins = np.trunc(part.astype(np.float64) * 2.0**-exponent)
        assert np.abs(bins).max() <= np.iinfo(np.int16).max
        growing.add(bins.astype(np.int16), exponent, largest)
    assert growing is not None
    values = np.concatenate(parts)
    return growing.finish(float(values.min()), float(values.max()))


def arrays(parts: list[list[float]]) -> list[Values]:
    return [np.asarray(part, np.float32) for part in parts]


@pytest.mark.parametrize(
    ("largest", "exponent"),
    [(0.0, -12), (1.0, -11), (0.999, -12), (6.0, -9), (1e-45, SMALLEST_EXPONENT)],
)
def test_the_largest_value_lies_in_the_outer_half(largest: float, exponent: int) -> None:
    assert exponent_for(largest) == exponent
    if exponent > SMALLEST_EXPONENT and largest:
        assert REACH / 2 <= largest / 2.0**exponent < REACH


@settings(deadline=None, max_examples=200, database=None)
@given(parts=PARTS)
def test_every_value_is_counted_where_it_lies(parts: list[list[float]]) -> None:
    values = np.concatenate(arrays(parts)).astype(np.float64)
    found = histogram_of(arrays(parts))
    assert found.counts.sum() == len(values)
    assert found.edges[0] == min(values.min(), 0) and found.edges[-1] == max(values.max(), 0)
    assert (np.diff(found.edges) >= 0).all() and len(found.edges) == len(found.counts) + 1
    # At every inner edge: a positive one belongs to the bin above it, a negative one to that below.
    below = np.cumsum(found.counts)[:-1]
    for edge, count in zip(found.edges[1:-1], below, strict=True):
        if len(values) < 8 or edge in (found.edges[1], found.edges[-2]):
            expected = (values <= edge).sum() if edge < 0 else (values < edge).sum()
            assert count == expected


@settings(deadline=None, max_examples=200, database=None)
@given(parts=PARTS, data=st.data())
def test_the_order_does_not_matter(parts: list[list[float]], data: st.DataObject) -> None:
    other = data.draw(st.permutations(parts))
    a, b = histogram_of(arrays(parts)), histogram_of(arrays(other))
    np.testing.assert_array_equal(a.edges, b.edges)
    np.testing.assert_array_equal(a.counts, b.counts)


def test_bins_follow_values_that_are_far_larger_than_those_before() -> None:
    parts = [np.array([1e-3, -1e-3], np.float32), np.array([1e5], np.float32)]
    found = histogram_of(parts)
    assert found.counts.sum() == 3 and found.counts[-1] == 1
    assert found.edges[-1] == float(np.float32(1e5))
    assert math.log2(found.edges[5] - found.edges[4]) == exponent_for(1e5)


def test_zeros_alone_are_one_bin_of_no_width() -> None:
    found = histogram_of([np.zeros(7, np.float32)])
    np.testing.assert_array_equal(found.edges, [0, 0])
    np.testing.assert_array_equal(found.counts, [7])


def test_zeros_before_anything_else_do_not_spoil_the_bins() -> None:
    ones = np.array([1.0], np.float32)
    first, last = histogram_of([ones * 0, ones]), histogram_of([ones, ones * 0])
    np.testing.assert_array_equal(first.edges, last.edges)
    np.testing.assert_array_equal(first.counts, last.counts)
