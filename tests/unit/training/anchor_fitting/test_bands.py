"""Every level has a band of sizes: for strides 8 to 64 the published, and none beyond the input."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexdet.recipe import load_recipe
from hexdet.training.anchor_fitting.bands import bands, bands_of, level_of
from hexdet.training.contract import contract_of

PUBLISHED = [(16, 32), (32, 64), (64, 128), (128, 256)]


def test_the_f38_detector_has_the_published_bands() -> None:
    np.testing.assert_allclose(bands_of(contract_of(load_recipe("heads"))), PUBLISHED)


@pytest.mark.parametrize(
    ("strides", "side", "borders"),
    [
        ((16,), 300, [32, 64]),
        ((8, 16, 32, 64), 256, [16, 32, 64, 128, 256]),
        ((8, 16, 32, 64), 64, [16, 16 * 2**0.5, 32, 32 * 2**0.5, 64]),
        ((16, 32, 64, 100, 150, 300), 300, [32, 49.1, 75.3, 99.2, 127.4, 195.5, 300]),
        ((64,), 64, [32, 64]),
        ((16, 32, 32), 500, [32, 64, 64, 128]),
    ],
    ids=["one level", "fits exactly", "a small input", "SSD300", "no room", "a stride twice"],
)
def test_bands_follow_the_strides_and_end_at_the_input(
    strides: tuple[int, ...], side: float, borders: list[float]
) -> None:
    found = bands(strides, side)
    assert [low for low, _ in found] + [found[-1][1]] == pytest.approx(borders, rel=2e-3)


@given(
    steps=st.lists(st.floats(1.0, 4.0), min_size=0, max_size=6),
    first=st.integers(2, 64),
    side=st.floats(64, 2048),
)
def test_bands_touch_rise_and_stay_in_the_input(
    steps: list[float], first: int, side: float
) -> None:
    strides = [float(first)]
    for step in steps:
        strides.append(strides[-1] * step)
    found = bands(strides, side)
    assert len(found) == len(strides)
    assert all(0 < low <= high for low, high in found)
    assert found[-1][1] <= side * (1 + 1e-9)
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))


@pytest.mark.parametrize(
    ("sizes", "levels"),
    [
        ([], []),
        ([(3, 3), (16, 16), (31, 31)], [0, 0, 0]),
        ([(32, 32), (16, 64), (8, 127)], [1, 1, 0]),
        ([(128, 128), (300, 300), (64, 255.9)], [3, 3, 2]),
    ],
    ids=["none", "small ones", "on a border", "large ones"],
)
def test_a_box_belongs_to_the_band_of_its_side(
    sizes: list[tuple[float, float]], levels: list[int]
) -> None:
    found = level_of(np.asarray(sizes, np.float64).reshape(-1, 2), bands((8, 16, 32, 64), 300))
    assert found.tolist() == levels
