"""The encodings of a weight's channels, tens of thousands of small tables, read all at once.

One Python object for each would take seconds where a large network takes a millisecond so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .limits import Ledger
from .model import PerAxisEncoding
from .schema_v4 import AxisEncodingTable

_BITWIDTH, _SCALE, _OFFSET = 0, 3, 4
_VTABLE_HEADER_BYTES = 4
_STEPS = 8


def read_axis_encoding(table: AxisEncodingTable) -> PerAxisEncoding:
    """Read the scale and the offset of every channel. Raises ArtifactError."""
    positions = table.positions
    table.ledger.step(_STEPS)
    table.ledger.channels(len(positions))
    columns = _Columns(np.frombuffer(table.buffer, np.uint8), positions, table.ledger)
    bitwidths = columns.field(_BITWIDTH, "<u4")
    return PerAxisEncoding(
        bitwidth=int(bitwidths[0]) if len(bitwidths) else 0,
        axis=table.axis,
        scales=columns.field(_SCALE, "<f4"),
        offsets=columns.field(_OFFSET, "<i4"),
    )


class _Columns:
    """Tables of one kind, read a field at a time."""

    def __init__(
        self, data: npt.NDArray[np.uint8], positions: npt.NDArray[np.int64], ledger: Ledger
    ) -> None:
        self._data = data
        self._ledger = ledger
        self._positions = positions
        self._vtables = positions - self._gather(positions, "<i4")
        self._vtable_bytes = self._gather(self._vtables, "<u2").astype(np.int64)
        self._inline_bytes = self._gather(self._vtables + 2, "<u2").astype(np.int64)

    def field(self, field: int, dtype: str) -> npt.NDArray[Any]:
        """Return one field of every table, 0 where it is absent. (tables,) of the dtype."""
        slot = _VTABLE_HEADER_BYTES + 2 * field
        offsets = np.zeros(len(self._positions), np.int64)
        told = self._vtable_bytes >= slot + 2
        offsets[told] = self._gather(self._vtables[told] + slot, "<u2")
        present = offsets > 0
        width = np.dtype(dtype).itemsize
        if (offsets[present] + width > self._inline_bytes[present]).any():
            raise self._ledger.damaged("a field of a channel's encoding lies outside its table")
        values = np.zeros(len(offsets), dtype)
        values[present] = self._gather((self._positions + offsets)[present], dtype)
        return values

    def _gather(self, positions: npt.NDArray[np.int64], dtype: str) -> npt.NDArray[Any]:
        """Return the numbers at byte positions that need not be aligned."""
        width = np.dtype(dtype).itemsize
        if len(positions) == 0:
            return np.zeros(0, dtype)
        if positions.min() < 0 or positions.max() > len(self._data) - width:
            raise self._ledger.damaged("the encoding of a channel lies outside its buffer")
        octets = self._data[positions[:, np.newaxis] + np.arange(width)]
        numbers: npt.NDArray[Any] = octets.view(dtype)[:, 0]
        return numbers
