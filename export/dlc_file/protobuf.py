"""Protocol buffer messages without their schema, read with bounds: container v2 is made of them.

Format: the encoding page of the Protocol Buffers documentation (tags, varints, wire types).
"""

from __future__ import annotations

import struct

from .limits import Ledger

VARINT, BITS_64, BYTES, BITS_32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10
_FIXED = {BITS_64: 8, BITS_32: 4}


class Message:
    """The fields of one message by their number, each in the order of the file."""

    def __init__(self, buffer: memoryview, ledger: Ledger) -> None:
        self._ledger = ledger
        self._fields: dict[int, list[tuple[int, int | memoryview]]] = {}
        at = 0
        while at < len(buffer):
            ledger.step()
            tag, at = self._varint(buffer, at)
            number, wire = tag >> 3, tag & 7
            value, at = self._value(buffer, at, wire)
            self._fields.setdefault(number, []).append((wire, value))

    @property
    def numbers(self) -> tuple[int, ...]:
        """Return the numbers of the fields that the message has."""
        return tuple(self._fields)

    def integers(self, number: int) -> tuple[int, ...]:
        """Return every value of an integer field; negative ones have 64 bits."""
        found = (value for wire, value in self._fields.get(number, ()) if wire == VARINT)
        return tuple(_signed(value) for value in found if isinstance(value, int))

    def integer(self, number: int) -> int:
        """Return the last value of an integer field, 0 where it is absent."""
        return (self.integers(number) or (0,))[-1]

    def floats(self, number: int) -> tuple[float, ...]:
        """Return every value of a 32-bit float field."""
        return tuple(
            float(struct.unpack("<f", value)[0])
            for wire, value in self._fields.get(number, ())
            if wire == BITS_32 and isinstance(value, memoryview)
        )

    def number(self, number: int) -> float:
        """Return the last value of a 32-bit float field, 0 where it is absent."""
        return (self.floats(number) or (0.0,))[-1]

    def content(self, number: int) -> memoryview | None:
        """Return the bytes of a field without copying them; None where it is absent."""
        found = self._contents(number)
        return found[-1] if found else None

    def text(self, number: int) -> str:
        """Return the last value of a text field, empty where it is absent."""
        return (self.texts(number) or ("",))[-1]

    def texts(self, number: int) -> tuple[str, ...]:
        """Return every value of a text field; bytes that are not UTF-8 become U+FFFD."""
        found = self._contents(number)
        for value in found:
            self._ledger.text(len(value))
        return tuple(bytes(value).decode("utf-8", "replace") for value in found)

    def message(self, number: int) -> Message | None:
        """Return the last value of a field as a message; None where it is absent."""
        found = self.content(number)
        return None if found is None else Message(found, self._ledger)

    def messages(self, number: int) -> tuple[Message, ...]:
        """Return every value of a field as a message."""
        return tuple(Message(value, self._ledger) for value in self._contents(number))

    def _contents(self, number: int) -> list[memoryview]:
        found = (value for wire, value in self._fields.get(number, ()) if wire == BYTES)
        return [value for value in found if isinstance(value, memoryview)]

    def _value(self, buffer: memoryview, at: int, wire: int) -> tuple[int | memoryview, int]:
        if wire == VARINT:
            return self._varint(buffer, at)
        if wire == BYTES:
            size, at = self._varint(buffer, at)
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise self._ledger.damaged(f"a message has a field of the unknown wire type {wire}")
        if size > len(buffer) - at:
            raise self._ledger.damaged("a message is cut off")
        return buffer[at : at + size], at + size

    def _varint(self, buffer: memoryview, at: int) -> tuple[int, int]:
        value = 0
        for index, octet in enumerate(buffer[at : at + _MAX_VARINT_BYTES]):
            value |= (octet & 0x7F) << 7 * index
            if octet < 0x80:
                return value, at + index + 1
        raise self._ledger.damaged("a number of a message is cut off or too long")


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >= 1 << 63 else value
