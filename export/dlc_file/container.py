"""The outermost layer: a ZIP archive of stored entries, with zip64 extras and often without CRCs.

Python's zipfile refuses the archives that libQnnIr writes, for every CRC in them is 0. Here a CRC
is checked where it is not 0 and skipped where it is. Format: PKWARE APPNOTE.TXT 6.3.10, sections
4.3.7 (local header), 4.3.12 (central directory), 4.3.14 to 4.3.16 (its end, also of zip64) and
4.5.3 (zip64 extra field).
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import ArtifactError
from .limits import (
    MAX_ENTRIES,
    MAX_ENTRY_NAME_BYTES,
    MAX_FILE_BYTES,
    MAX_LOADED_BYTES,
    damaged,
)

_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR64 = struct.Struct("<4sIQI")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_LOCAL = struct.Struct("<4s5H3I2H")
_EXTRA = struct.Struct("<2H")
_WIDE = struct.Struct("<Q")

_MAX_COMMENT_BYTES = 0xFFFF
_UNKNOWN_16 = 0xFFFF
_UNKNOWN_32 = 0xFFFFFFFF
_ZIP64_EXTRA = 1
_ENCRYPTED = 1
_STORED = 0


@dataclass(frozen=True, kw_only=True)
class DlcEntry:
    """One entry of the archive. offset is where its bytes start in the file; crc 0 means none."""

    name: str
    size_bytes: int
    offset: int
    crc: int


class Archive:
    """The bytes of a DLC and its entries, by name, in the order of the directory."""

    def __init__(self, data: memoryview, what: str) -> None:
        self.data = data
        self.what = what
        self.entries: Mapping[str, DlcEntry] = _directory(data, what)

    def read(self, name: str) -> memoryview | None:
        """Return the bytes of an entry without copying them; None where there is none."""
        entry = self.entries.get(name)
        if entry is None:
            return None
        return self.data[entry.offset : entry.offset + entry.size_bytes]


def open_archive(path: Path) -> Archive:
    """Load a small file, map a large one, and read its directory. Raises ArtifactError."""
    if not path.is_file():
        raise ArtifactError(f"there is no file {path}")
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if size > MAX_FILE_BYTES:
                raise damaged(str(path), f"it has {size} bytes, more than {MAX_FILE_BYTES}")
            if size <= MAX_LOADED_BYTES:
                data = memoryview(file.read(size))
            else:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from error
    return Archive(data, str(path))


def _directory(data: memoryview, what: str) -> dict[str, DlcEntry]:
    start, count = _find_directory(data, what)
    if count > MAX_ENTRIES:
        raise damaged(what, f"it names {count} entries, more than {MAX_ENTRIES}")
    entries: dict[str, DlcEntry] = {}
    at = start
    for _ in range(count):
        entry, at = _central_entry(data, at, start, what)
        if entry.name in entries:
            raise damaged(what, f"it has two entries named {entry.name!r}")
        entries[entry.name] = entry
    _refuse_overlaps(entries, what)
    for entry in entries.values():
        content = data[entry.offset : entry.offset + entry.size_bytes]
        if entry.crc and zlib.crc32(content) != entry.crc:
            raise damaged(what, f"the checksum of its entry {entry.name!r} is wrong")
    return entries


def _find_directory(data: memoryview, what: str) -> tuple[int, int]:
    """Return where the central directory starts and how many entries it has."""
    tail_start = max(0, len(data) - _END.size - _MAX_COMMENT_BYTES)
    at = bytes(data[tail_start:]).rfind(b"PK\5\6")
    if at < 0 or tail_start + at + _END.size > len(data):
        raise damaged(what, "it is not a ZIP archive, or it is cut off")
    at += tail_start
    _, _, _, _, count, size, start, _ = _END.unpack_from(data, at)
    if count == _UNKNOWN_16 or _UNKNOWN_32 in (size, start):
        count, size, start = _find_directory64(data, at - _LOCATOR64.size, what)
    if start + size > at:
        raise damaged(what, "its directory lies outside the file")
    return int(start), int(count)


def _find_directory64(data: memoryview, at: int, what: str) -> tuple[int, int, int]:
    if at < 0:
        raise damaged(what, "its zip64 locator is missing")
    magic, _, end, _ = _LOCATOR64.unpack_from(data, at)
    if magic != b"PK\6\7" or end + _END64.size > at:
        raise damaged(what, "its zip64 locator is wrong")
    magic, _, _, _, _, _, _, count, size, start = _END64.unpack_from(data, end)
    if magic != b"PK\6\6":
        raise damaged(what, "its zip64 directory end is wrong")
    return count, size, start


def _central_entry(data: memoryview, at: int, limit: int, what: str) -> tuple[DlcEntry, int]:
    """Return an entry of the directory and where the next begins."""
    if at + _CENTRAL.size > len(data):
        raise damaged(what, "its directory is cut off")
    header = _CENTRAL.unpack_from(data, at)
    magic, _, _, flags, method, _, _, crc, packed, size = header[:10]
    name_length, extra_length, comment_length, _, _, _, local = header[10:]
    if magic != b"PK\1\2":
        raise damaged(what, "its directory is damaged")
    name_end = at + _CENTRAL.size + name_length
    extra = data[name_end : name_end + extra_length]
    name = _entry_name(data[at + _CENTRAL.size : name_end], name_length, what)
    size, packed, local = _zip64_values(extra, size, packed, local, name, what)
    if flags & _ENCRYPTED or method != _STORED or size != packed:
        raise damaged(what, f"its entry {name!r} is compressed or encrypted; a DLC stores them")
    offset = _content_start(data, local, name, what)
    if offset + size > limit:
        raise damaged(what, f"its entry {name!r} reaches beyond the file")
    entry = DlcEntry(name=name, size_bytes=size, offset=offset, crc=crc)
    return entry, name_end + extra_length + comment_length


def _zip64_values(
    extra: memoryview, size: int, packed: int, local: int, name: str, what: str
) -> tuple[int, int, int]:
    """Replace the values that do not fit 32 bits by those of the zip64 extra field, in order."""
    values = [size, packed, local]
    missing = [index for index, value in enumerate(values) if value == _UNKNOWN_32]
    at = 0
    while missing and at + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, at)
        at += _EXTRA.size
        if kind == _ZIP64_EXTRA and 8 * len(missing) <= min(length, len(extra) - at):
            for place, index in enumerate(missing):
                values[index] = _WIDE.unpack_from(extra, at + 8 * place)[0]
            missing = []
        at += length
    if missing:
        raise damaged(what, f"the size of its entry {name!r} is missing")
    return values[0], values[1], values[2]


def _content_start(data: memoryview, local: int, name: str, what: str) -> int:
    if local + _LOCAL.size > len(data):
        raise damaged(what, f"its entry {name!r} lies outside the file")
    magic, *_, name_length, extra_length = _LOCAL.unpack_from(data, local)
    name_start = local + _LOCAL.size
    if magic != b"PK\3\4" or data[name_start : name_start + name_length] != name.encode():
        raise damaged(what, f"the header of its entry {name!r} is damaged")
    return int(name_start + name_length + extra_length)


def _entry_name(raw: memoryview, length: int, what: str) -> str:
    if length > MAX_ENTRY_NAME_BYTES or len(raw) != length:
        raise damaged(what, "the name of an entry is too long")
    try:
        return bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise damaged(what, "the name of an entry is not text") from None


def _refuse_overlaps(entries: Mapping[str, DlcEntry], what: str) -> None:
    end = 0
    for entry in sorted(entries.values(), key=lambda entry: (entry.offset, entry.size_bytes)):
        if entry.offset < end:
            raise damaged(what, f"its entry {entry.name!r} overlaps another")
        end = entry.offset + entry.size_bytes
