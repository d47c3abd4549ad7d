"""Greedy non-maximum suppression of boxes that come in the order of their scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]

WHOLE = 96
"""Up to so many boxes one matrix of all pairs is fastest."""
BLOCK = 32
"""Of more boxes so many are settled at a time, against all that are left: memory stays small."""


def suppress(
    columns: Float, labels: Index | None, *, iou_threshold: float, max_detections: int
) -> list[int]:
    """Return the positions of the boxes that stay, in their order.

    A box is dropped where one before it, that stays, overlaps it by more than `iou_threshold`, by
    the arithmetic of `boxes.iou`. The caller silences numpy about areas that underflow.

    columns: float32 [4, n], rows x1, y1, x2, y2, positive sides, best score first.
    labels: [n] where only boxes of one class suppress each other, None where all do.
    """
    x1, y1, x2, y2 = columns
    areas = (x2 - x1) * (y2 - y1)
    threshold = np.float32(iou_threshold)
    left: Index | None = None  # positions of the boxes in `columns`; None while all are there
    kept: list[int] = []
    while (count := columns.shape[1]) and len(kept) < max_detections:
        block = count if count <= WHOLE else BLOCK
        overlapping = _overlapping(columns, areas, block, threshold)
        if labels is not None:
            overlapping &= labels[:block, None] == labels
        chosen = _settle(overlapping[:, :block])[: max_detections - len(kept)]
        kept += chosen if left is None else left.take(chosen).tolist()
        if block == count:
            break
        dropped = np.logical_or.reduce(overlapping[:, block:].take(chosen, axis=0), axis=0)
        after = np.logical_not(dropped, out=dropped).nonzero()[0]
        after += block
        left = after if left is None else left.take(after)
        columns, areas = columns.take(after, axis=1), areas.take(after)
        labels = None if labels is None else labels.take(after)
    return kept


def _overlapping(
    columns: Float, areas: Float, block: int, threshold: np.float32
) -> npt.NDArray[np.bool_]:
    """Return [block, n]: which boxes each of the first ones overlaps by more than the threshold.

    No buffers are kept: what was freed a moment ago is in the cache, an old buffer is not.
    """
    sides = np.minimum(columns[2:4, :block, None], columns[2:4, None, :])  # [2, block, n]
    sides -= np.maximum(columns[0:2, :block, None], columns[0:2, None, :])
    common, union = sides
    # With the width cut at zero a negative height gives no more than zero: no overlap, either.
    # numpy's maximum with one number is three times slower than with an array.
    np.maximum(common, np.zeros(common.shape, np.float32), out=common)
    common *= union
    np.add(areas[:block, None], areas, out=union)
    union -= common
    common /= union
    return np.asarray(common > threshold)


def _settle(overlapping: npt.NDArray[np.bool_]) -> list[int]:
    """Go through boxes greedily, by [n, n] who overlaps whom; return those that stay.

    A row is a Python integer of n bits: to take a box and all that it drops is one operation.
    """
    packed = np.packbits(overlapping, axis=1, bitorder="little")
    width, content, read = packed.shape[1], packed.tobytes(), int.from_bytes
    waiting = (1 << len(overlapping)) - 1
    kept: list[int] = []
    while waiting:
        position = (waiting & -waiting).bit_length() - 1
        kept.append(position)
        row = read(content[position * width : (position + 1) * width], "little")
        # Its own bit is set but where the threshold is 1, or its area underflows.
        waiting &= ~(row | 1 << position)
    return kept
