"""The time at which a DLC was written, taken out: the same graph shall give the same bytes."""

from __future__ import annotations

import re

from .container import Archive
from .metadata import PREFIX

_TIMESTAMP = re.compile(rb'("timestamp": ")\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( UTC")')
_NO_TIME = rb"\g<1>1980-01-01 00:00:00\g<2>"
"""As long as a time, so that nothing moves; the earliest that a ZIP archive could hold."""


def without_times(data: bytes, what: str) -> bytes:
    """Return a DLC whose metadata name the same time whenever it was written.

    An entry with a checksum stays as it is. Raises ArtifactError for what is no DLC.
    """
    changed = bytearray(data)
    for name, entry in Archive(memoryview(data), what).entries.items():
        if name.startswith(PREFIX) and entry.crc == 0:
            place = slice(entry.offset, entry.offset + entry.size_bytes)
            changed[place] = _TIMESTAMP.sub(_NO_TIME, data[place])
    return bytes(changed)
