"""One measure of how far two results are apart, for every check of floats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexdet.quantization.difference import relative_difference, span

NAN = math.nan
CASES = [
    ([3.0], [3.0], 0.0),
    ([3.0], [5.0], 2.0),  # no range: the difference itself
    ([0.0, 0.0], [0.0, 0.25], 0.25),
    ([-1.0, 3.0], [-1.0, 2.0], 0.25),
    ([-1.0, 3.0], [-2.0, 3.0], 0.25),
    ([-1.0, 3.0], [7.0, 3.0], 2.0),
    ([0.0, 1.0], [0.0, math.inf], math.inf),
]


@pytest.mark.parametrize(("expected", "found", "share"), CASES)
def test_the_largest_difference_counts_against_the_expected_range(
    expected: list[float], found: list[float], share: float
) -> None:
    assert relative_difference(np.float32(expected), np.float32(found)) == share


@pytest.mark.parametrize(
    ("expected", "found"), [([0.0, 1.0], [0.0, NAN]), ([0.0, NAN], [0.0, 1.0])]
)
def test_what_is_not_a_number_is_within_no_limit(expected: list[float], found: list[float]) -> None:
    assert not relative_difference(np.asarray(expected), np.asarray(found)) <= math.inf


@given(
    st.lists(st.integers(-100, 100), min_size=1, max_size=8),
    st.integers(-5, 5),
    st.integers(-8, 8),
)
def test_neither_an_offset_nor_a_power_of_two_changes_it(
    values: list[int], offset: int, power: int
) -> None:
    expected = np.asarray([*values, max(values) + 1], np.float64)
    found = expected[::-1].copy()
    share = relative_difference(expected, found)
    factor = 2.0**power
    assert relative_difference(expected * factor, found * factor) == share
    assert relative_difference(expected + offset, found + offset) == share
    assert 0 < share <= 1
    assert span(expected * factor) == span(expected) * factor
