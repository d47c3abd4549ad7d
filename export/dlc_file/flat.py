"""FlatBuffer tables read with bounds: whatever a file says, an access ends inside its buffer.

The flatbuffers library trusts its input: a wrong offset makes it read elsewhere or raise
struct.error. A table here checks its vtable once and every field before the library decodes it.
Format: the FlatBuffers internals page (tables, vtables, vectors, strings, file identifiers).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from flatbuffers import encode
from flatbuffers import number_types as N

from .limits import MAX_FIELDS, Ledger

T = TypeVar("T")
_OFFSET_BYTES = N.UOffsetTFlags.bytewidth
_SLOT_BYTES = N.VOffsetTFlags.bytewidth
_VTABLE_HEADER_BYTES = 2 * _SLOT_BYTES
_SLOTS = [struct.Struct(f"<{count}H") for count in range(MAX_FIELDS + 1)]


class FlatTable:
    """One table of a buffer: the accessors of a generated class, each with its bounds checked.

    Fields are counted from 0, as in a schema. An absent field gives the default, an empty list
    or None. Raises ArtifactError.
    """

    def __init__(self, buffer: memoryview, position: int, ledger: Ledger) -> None:
        ledger.step()
        self._buffer = buffer
        self._ledger = ledger
        self._position = position
        if not 0 <= position <= len(buffer) - _OFFSET_BYTES:
            raise ledger.damaged("a table lies outside its buffer")
        vtable = position - encode.Get(N.SOffsetTFlags.packer_type, buffer, position)
        if not 0 <= vtable <= len(buffer) - _VTABLE_HEADER_BYTES:
            raise ledger.damaged("the layout of a table lies outside its buffer")
        vtable_bytes, inline_bytes = _SLOTS[2].unpack_from(buffer, vtable)
        count = (vtable_bytes - _VTABLE_HEADER_BYTES) // _SLOT_BYTES
        if (
            not 0 <= count <= MAX_FIELDS
            or vtable + vtable_bytes > len(buffer)
            or inline_bytes < _OFFSET_BYTES
            or position + inline_bytes > len(buffer)
        ):
            raise ledger.damaged("the layout of a table is damaged")
        self._inline_bytes = inline_bytes
        self._offsets = _SLOTS[count].unpack_from(buffer, vtable + _VTABLE_HEADER_BYTES)

    def has(self, field: int) -> bool:
        """Return whether the file sets the field."""
        return self._slot(field, 1) is not None

    def room(self, field: int) -> int:
        """Return the bytes from a field to the next one, or to the end of the table; 0 if absent.

        It tells a number of 64 bits from one of 32 where writers of different versions disagree.
        """
        start = self._offsets[field] if field < len(self._offsets) else 0
        ends = [end for end in (*self._offsets, self._inline_bytes) if end > start]
        return min(ends) - start if start and ends else 0

    def position(self, field: int) -> int:
        """Return where a field of 32 bits lies in the buffer; an absent one is an error."""
        slot = self._slot(field, N.Uint32Flags.bytewidth)
        if slot is None:
            raise self._ledger.damaged("a field that must be there is absent")
        return slot

    def uint8(self, field: int, default: int = 0) -> int:
        """Return an unsigned byte."""
        return int(self._number(N.Uint8Flags, field, default))

    def int32(self, field: int, default: int = 0) -> int:
        """Return a signed 32-bit integer."""
        return int(self._number(N.Int32Flags, field, default))

    def uint32(self, field: int, default: int = 0) -> int:
        """Return an unsigned 32-bit integer."""
        return int(self._number(N.Uint32Flags, field, default))

    def int64(self, field: int, default: int = 0) -> int:
        """Return a signed 64-bit integer."""
        return int(self._number(N.Int64Flags, field, default))

    def uint64(self, field: int, default: int = 0) -> int:
        """Return an unsigned 64-bit integer."""
        return int(self._number(N.Uint64Flags, field, default))

    def float32(self, field: int, default: float = 0.0) -> float:
        """Return a 32-bit float."""
        return float(self._number(N.Float32Flags, field, default))

    def float64(self, field: int, default: float = 0.0) -> float:
        """Return a 64-bit float."""
        return float(self._number(N.Float64Flags, field, default))

    def text(self, field: int) -> str:
        """Return a string, empty where it is absent; bytes that are not UTF-8 become U+FFFD."""
        position = self._target(field)
        return "" if position is None else self._text_at(position)

    def texts(self, field: int) -> tuple[str, ...]:
        """Return a vector of strings."""
        return self._elements(field, self._text_at)

    def table(self, field: int, kind: Callable[[memoryview, int, Ledger], T]) -> T | None:
        """Return a table as the given class."""
        position = self._target(field)
        return None if position is None else kind(self._buffer, position, self._ledger)

    def tables(self, field: int, kind: Callable[[memoryview, int, Ledger], T]) -> tuple[T, ...]:
        """Return a vector of tables as the given class."""
        return self._elements(field, lambda at: kind(self._buffer, at, self._ledger))

    def array(self, field: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return a vector of numbers as a read-only view, empty where it is absent."""
        raw = self.raw(field, np.dtype(dtype).itemsize)
        return np.frombuffer(b"" if raw is None else raw, dtype=dtype)

    def raw(self, field: int, item_bytes: int = 1) -> memoryview | None:
        """Return the bytes of a vector of numbers without copying them."""
        position = self._target(field)
        if position is None:
            return None
        start, count = self._vector(position, item_bytes)
        return self._buffer[start : start + count * item_bytes]

    def raw64(self, field: int) -> memoryview | None:
        """Return the bytes of a vector whose offset and length have 64 bits."""
        slot = self._slot(field, N.Uint64Flags.bytewidth)
        if slot is None:
            return None
        position = slot + self._get(N.Uint64Flags, slot)
        start = position + N.Uint64Flags.bytewidth
        if start > len(self._buffer):
            raise self._ledger.damaged("a 64-bit vector lies outside its buffer")
        count = self._get(N.Uint64Flags, position)
        if count > len(self._buffer) - start:
            raise self._ledger.damaged("a 64-bit vector reaches beyond its buffer")
        return self._buffer[start : start + count]

    def table_positions(self, field: int) -> npt.NDArray[np.int64]:
        """Return where the tables of a vector lie, for reading many of them at once."""
        position = self._target(field)
        if position is None:
            return np.zeros(0, np.int64)
        start, count = self._vector(position, _OFFSET_BYTES)
        offsets = np.frombuffer(self._buffer, "<u4", count, start).astype(np.int64)
        places: npt.NDArray[np.int64] = start + _OFFSET_BYTES * np.arange(count, dtype=np.int64)
        return offsets + places

    @property
    def buffer(self) -> memoryview:
        """Return the buffer that the table lies in."""
        return self._buffer

    @property
    def ledger(self) -> Ledger:
        """Return the ledger that reading is paid from."""
        return self._ledger

    def _slot(self, field: int, width: int) -> int | None:
        """Return where a field of so many bytes lies; None where the file leaves it out."""
        offset = self._offsets[field] if field < len(self._offsets) else 0
        if offset == 0:
            return None
        if offset < _OFFSET_BYTES or offset + width > self._inline_bytes:
            raise self._ledger.damaged("a field lies outside its table")
        return int(self._position + offset)

    def _number(self, flags: Any, field: int, default: float) -> Any:
        slot = self._slot(field, flags.bytewidth)
        return default if slot is None else self._get(flags, slot)

    def _get(self, flags: Any, position: int) -> Any:
        return encode.Get(flags.packer_type, self._buffer, position)

    def _target(self, field: int) -> int | None:
        """Return what the offset in a field points at."""
        slot = self._slot(field, _OFFSET_BYTES)
        return None if slot is None else self._follow(slot)

    def _follow(self, position: int) -> int:
        target = int(position + self._get(N.UOffsetTFlags, position))
        if target > len(self._buffer) - _OFFSET_BYTES:
            raise self._ledger.damaged("an offset points outside its buffer")
        return target

    def _vector(self, position: int, item_bytes: int) -> tuple[int, int]:
        """Return where the items of a vector start and how many there are."""
        start = position + _OFFSET_BYTES
        count = int(self._get(N.UOffsetTFlags, position))
        if count * item_bytes > len(self._buffer) - start:
            raise self._ledger.damaged("a vector reaches beyond its buffer")
        return start, count

    def _elements(self, field: int, read: Callable[[int], T]) -> tuple[T, ...]:
        position = self._target(field)
        if position is None:
            return ()
        start, count = self._vector(position, _OFFSET_BYTES)
        self._ledger.step(count)
        slots = range(start, start + count * _OFFSET_BYTES, _OFFSET_BYTES)
        return tuple(read(self._follow(slot)) for slot in slots)

    def _text_at(self, position: int) -> str:
        start, count = self._vector(position, 1)
        self._ledger.text(count)
        return bytes(self._buffer[start : start + count]).decode("utf-8", "replace")


def root(
    buffer: memoryview,
    identifier: bytes,
    kind: Callable[[memoryview, int, Ledger], T],
    ledger: Ledger,
) -> T:
    """Return the root table of a buffer that carries the given 4-byte file identifier."""
    if len(buffer) < 2 * _OFFSET_BYTES or bytes(buffer[4:8]) != identifier:
        raise ledger.damaged(f"a part of it lacks the mark {identifier.decode()}")
    return kind(buffer, encode.Get(N.UOffsetTFlags.packer_type, buffer, 0), ledger)
