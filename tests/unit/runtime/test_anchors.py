"""Anchors lie where the network's outputs say: cell by cell, anchor by anchor, in memory order."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hexdet.recipe import load_recipe
from hexdet.runtime.anchors import all_anchors, level_anchors
from hexdet.runtime.contract import DetectorContract, Level
from hexdet.training.contract import contract_of


@pytest.fixture(scope="module")
def heads() -> DetectorContract:
    """The contract of the recipe that `make export-dlc` uses."""
    return contract_of(load_recipe("heads"))


def level_of(
    rows: int, columns: int, anchors: tuple[tuple[float, float], ...], stride: int = 8
) -> Level:
    return Level(stride=stride, rows=rows, columns=columns, anchors=anchors, scores="s", boxes="b")


@pytest.mark.parametrize(
    ("rows", "columns", "sizes"),
    [(1, 1, ((4.0, 5.0),)), (2, 3, ((4.0, 5.0), (6.0, 7.0)))],
    ids=["one", "two in a cell"],
)
def test_a_level_has_every_anchor_of_every_cell(
    rows: int, columns: int, sizes: tuple[tuple[float, float], ...]
) -> None:
    found = level_anchors(level_of(rows, columns, sizes))
    assert found.shape == (rows * columns * len(sizes), 4)
    assert found.dtype == np.float32


def test_order_is_that_of_an_nhwc_output_in_memory() -> None:
    sizes = ((4.0, 5.0), (6.0, 7.0))
    found = level_anchors(level_of(3, 2, sizes, stride=16)).reshape(3, 2, 2, 4)
    for row in range(3):
        for column in range(2):
            for index, (width, height) in enumerate(sizes):
                centre = ((column + 0.5) * 16, (row + 0.5) * 16)
                assert tuple(found[row, column, index]) == (*centre, width, height)


def test_heads_has_3860_anchors(heads: DetectorContract) -> None:
    # 2 * (38 * 38 + 19 * 19 + 10 * 10 + 5 * 5)
    assert [(v.rows, v.columns, v.stride) for v in heads.levels] == [
        (38, 38, 8),
        (19, 19, 16),
        (10, 10, 32),
        (5, 5, 64),
    ]
    assert heads.anchor_count == 3860
    assert all_anchors(heads).shape == (3860, 4)


def test_levels_follow_each_other_finest_first(heads: DetectorContract) -> None:
    found = all_anchors(heads)
    start = 0
    for level in heads.levels:
        count = level.rows * level.columns * len(level.anchors)
        np.testing.assert_array_equal(found[start : start + count], level_anchors(level))
        start += count
    assert start == len(found)


def test_centres_are_the_middles_of_the_cells(heads: DetectorContract) -> None:
    found = all_anchors(heads)
    np.testing.assert_array_equal(found[0, :2], [4, 4])
    np.testing.assert_array_equal(found[1, :2], [4, 4])
    np.testing.assert_array_equal(found[2, :2], [12, 4])
    np.testing.assert_array_equal(found[2 * 38, :2], [4, 12])
    np.testing.assert_array_equal(found[-1, :2], [4.5 * 64, 4.5 * 64])
    assert (found[:, :2] > 0).all()


def test_steps_of_cells_spread_the_centres_over_the_input(heads: DetectorContract) -> None:
    found = all_anchors(dataclasses.replace(heads, anchor_step="cells"))
    np.testing.assert_allclose(found[2, :2], [1.5 * 300 / 38, 0.5 * 300 / 38], rtol=1e-6)
    np.testing.assert_array_equal(found[-1, :2], [4.5 * 60, 4.5 * 60])


def test_anchor_sizes_repeat_in_every_cell(heads: DetectorContract) -> None:
    found = all_anchors(heads)
    finest = np.asarray(heads.levels[0].anchors, np.float32)
    np.testing.assert_array_equal(found[: 38 * 38 * 2, 2:], np.tile(finest, (38 * 38, 1)))
