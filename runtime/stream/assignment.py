"""Which track takes which detection: the assignment of the greatest total gain."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def assign(gain: npt.NDArray[np.float32], least: float) -> tuple[Indices, Indices]:
    """Return rows and columns, int64 [m] each, that pair up with the greatest sum of gains.

    gain: float32 [rows, columns]; a pair of less than `least`, a positive number, is never made,
        so rows and columns may stay alone. Each is used once; rows ascend.
    """
    # Without a possible partner a row or column takes no part: most matrices shrink to little.
    possible = gain >= least
    rows = np.flatnonzero(possible.any(axis=1))
    columns = np.flatnonzero(possible.any(axis=0))
    small = np.where(possible, gain, 0.0)[np.ix_(rows, columns)].astype(np.float64)
    chosen = _maximise(small) if len(rows) <= len(columns) else _inverse(_maximise(small.T), rows)
    made = np.flatnonzero(chosen >= 0)
    made = made[small[made, chosen[made]] > 0]
    return rows[made], columns[chosen[made]]


def _inverse(chosen: Indices, rows: Indices) -> Indices:
    """Turn each column's row into each row's column, -1 where it has none."""
    result = np.full(len(rows), -1, np.int64)
    result[chosen] = np.arange(len(chosen))
    return result


def _maximise(gain: npt.NDArray[np.float64]) -> Indices:
    """Return a column for each row, int64 [rows], of the greatest total; rows <= columns.

    Rows join one by one; each looks for the cheapest chain of exchanges that frees a column for
    it, Dijkstra's way, over costs kept from going negative by a price for each row and column.
    Source: the shortest augmenting path form of the Hungarian method (R. Jonker, A. Volgenant,
    Computing 38, 1987).
    """
    rows, columns = gain.shape
    row_price, column_price = np.zeros(rows), np.zeros(columns)
    owner = np.full(columns, -1, np.int64)
    for start in range(rows):
        distance = np.full(columns, np.inf)
        before = np.full(columns, -1, np.int64)  # the column from which a chain comes to this one
        done = np.zeros(columns, np.bool_)
        row, last, reached = start, -1, 0.0
        while True:
            step = reached - gain[row] - row_price[row] - column_price
            shorter = ~done & (step < distance)
            distance[shorter], before[shorter] = step[shorter], last
            last = int(np.argmin(np.where(done, np.inf, distance)))
            reached = float(distance[last])
            if owner[last] < 0:
                break
            done[last] = True
            row = int(owner[last])
        row_price[start] += reached
        row_price[owner[done]] += reached - distance[done]
        column_price[done] -= reached - distance[done]
        while last >= 0:  # exchange along the chain, back to the start
            source = int(before[last])
            owner[last] = start if source < 0 else owner[source]
            last = source
    chosen = np.full(rows, -1, np.int64)
    chosen[owner[owner >= 0]] = np.flatnonzero(owner >= 0)
    return chosen
