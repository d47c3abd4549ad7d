"""The assignment has the greatest total gain that trying every pairing can find."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.runtime.stream.assignment import assign


def matrix(*rows: list[float], columns: int = 0) -> npt.NDArray[np.float32]:
    return np.asarray(rows, np.float32).reshape(len(rows), len(rows[0]) if rows else columns)


def best_total(gain: npt.NDArray[np.float32], least: float) -> float:
    """Return the greatest total by trying every pairing."""
    table = np.where(gain >= least, gain, 0)
    table = table if table.shape[0] <= table.shape[1] else table.T
    rows, columns = table.shape
    return max(
        float(table[np.arange(rows), list(p)].sum()) for p in permutations(range(columns), rows)
    )


@pytest.mark.parametrize(
    ("gain", "pairs"),
    [
        (matrix(), []),
        (matrix(columns=3), []),
        (matrix([], []), []),
        (matrix([0.1]), []),
        (matrix([0.2]), [(0, 0)]),
        (matrix([0.9, 0.8], [0.8, 0.0]), [(0, 1), (1, 0)]),
        (matrix([0.9, 0.3], [0.8, 0.0]), [(0, 1), (1, 0)]),
        (matrix([0.9, 0.1], [0.8, 0.0]), [(0, 0)]),
        (matrix([0.3, 0.6, 0.5]), [(0, 1)]),
        (matrix([0.3], [0.6], [0.5]), [(1, 0)]),
    ],
    ids=[
        "nothing at all",
        "no rows",
        "no columns",
        "too little",
        "just enough",
        "the greedy choice is not the best",
        "nor here, where its rival has only one partner",
        "a row stays alone",
        "more columns",
        "more rows",
    ],
)
def test_known_cases(gain: npt.NDArray[np.float32], pairs: list[tuple[int, int]]) -> None:
    rows, columns = assign(gain, np.float32(0.2))
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == pairs
    assert rows.dtype == columns.dtype == np.int64


@settings(deadline=None, max_examples=150, database=None)
@given(
    shape=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    values=st.lists(
        st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.6, 0.9, 1.0]), min_size=25, max_size=25
    ),
    least=st.sampled_from([0.05, 0.25, 0.55]),
)
def test_no_pairing_is_better(shape: tuple[int, int], values: list[float], least: float) -> None:
    gain = np.asarray(values[: shape[0] * shape[1]], np.float32).reshape(shape)
    rows, columns = assign(gain, least)
    assert len(set(rows.tolist())) == len(rows) == len(set(columns.tolist())) == len(columns)
    assert (gain[rows, columns] >= least).all()
    assert gain[rows, columns].sum() == pytest.approx(best_total(gain, least), abs=1e-5)
