"""What the reader takes from a file before it calls the file damaged, and the ledger that counts.

A DLC comes from outside. Whatever it says about itself, reading it must end within a second and
within 256 MiB, so that every loop over something that the file names is paid from a ledger.
"""

from __future__ import annotations

from ...errors import ArtifactError

MAX_FILE_BYTES = 1 << 30
"""A DLC of more bytes than this is refused unread."""

MAX_LOADED_BYTES = 64 << 20
"""A longer file is mapped into memory instead of loaded."""

MAX_ENTRIES = 64
"""Entries of the container; genuine files have two to nine."""

MAX_ENTRY_NAME_BYTES = 256
MAX_METADATA_BYTES = 1 << 20
"""Bytes of one metadata entry."""

MAX_METADATA_KEYS = 10_000
MAX_DEPTH = 12
"""How deeply attributes, protocol messages and metadata may nest; genuine files reach 6."""

MAX_RANK = 16
MAX_DIMENSION = (1 << 31) - 1
MAX_FIELDS = 64
"""Slots of one table; genuine tables have up to 15."""

MAX_STEPS = 80_000
"""Tables, messages and list elements of one file; a detector of 130 nodes takes 5,000."""

MAX_TEXT_BYTES = 8 << 20
"""All names and texts of one file together."""

MAX_SHARING = 4
"""How often, on average, the bytes of a file may be the values of a tensor."""

MIN_CONTENT_BYTES = 1 << 20
"""What the values of all tensors may take together however short the file is."""

MAX_REASON_CHARACTERS = 300

MAX_CHANNELS = 1 << 19
"""Per-channel encodings of one file together."""


class Ledger:
    """What may still be read from one file. Raises ArtifactError when it is used up."""

    def __init__(self, what: str, file_bytes: int) -> None:
        self.what = what
        self._content_bytes = max(MAX_SHARING * file_bytes, MIN_CONTENT_BYTES)
        self._steps = MAX_STEPS
        self._text_bytes = MAX_TEXT_BYTES
        self._channels = MAX_CHANNELS

    def step(self, count: int = 1) -> None:
        """Pay for reading `count` tables or list elements."""
        self._steps -= count
        if self._steps < 0:
            raise self.damaged(f"it holds more than {MAX_STEPS} objects")

    def text(self, count: int) -> None:
        """Pay for reading `count` bytes of text."""
        self._text_bytes -= count
        if self._text_bytes < 0:
            raise self.damaged(f"it holds more than {MAX_TEXT_BYTES} bytes of text")

    def channels(self, count: int) -> None:
        """Pay for reading the encodings of `count` channels."""
        self._channels -= count
        if self._channels < 0:
            raise self.damaged(f"it holds more than {MAX_CHANNELS} encodings of channels")

    def content(self, count: int) -> None:
        """Pay for `count` bytes that are the values of a tensor."""
        self._content_bytes -= count
        if self._content_bytes < 0:
            raise self.damaged("its tensors hold far more bytes than the file")

    def damaged(self, why: str) -> ArtifactError:
        """Return the error that says what is wrong with the file."""
        return damaged(self.what, why)


def damaged(what: str, why: str) -> ArtifactError:
    """Return the error for a file, or a part of it, that cannot be read."""
    if len(why) > MAX_REASON_CHARACTERS:
        why = f"{why[:MAX_REASON_CHARACTERS]}..."
    return ArtifactError(f"{what} is not a readable DLC: {why}")
