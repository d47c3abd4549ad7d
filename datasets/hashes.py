"""The sha256 of many image files, those of large datasets remembered between runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..errors import DataError

REMEMBERED_BYTES = 512 << 20
"""Smaller sets of files are hashed anew every time, which takes about a second."""
SETTLED_NS = 2_000_000_000
"""A file changed less long ago is not remembered: it may change again within a clock tick."""
TABLE = (
    "CREATE TABLE IF NOT EXISTS files "
    "(path TEXT PRIMARY KEY, size INT, mtime INT, ctime INT, inode INT, sha256 TEXT)"
)

State = tuple[int, int, int, int]
"""Size, times of change of the content and of the inode in ns, and inode of a file."""


def sha256_of_files(paths: Sequence[Path]) -> list[str]:
    """Return the sha256 of each file's content, hexadecimal; DataError where one cannot be read.

    What is remembered of a file counts only while its size, both its times of change and its
    inode are the same: the second time cannot be set by any program.
    """
    states = [_state(path) for path in paths]
    if sum(state[0] for state in states) < REMEMBERED_BYTES:
        return list(_hashes(paths))
    known = _remembered(paths, states)
    wanted = [index for index, value in enumerate(known) if value is None]
    found = dict(zip(wanted, _hashes([paths[i] for i in wanted]), strict=True))
    _remember([(paths[i], states[i], found[i]) for i in wanted])
    return [value or found[index] for index, value in enumerate(known)]


def cache_file() -> Path:
    """Return the database of what is remembered: deleting it costs time and nothing else."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "hexdet" / "image_hashes.sqlite"


def _state(path: Path) -> State:
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _hashes(paths: Sequence[Path]) -> Iterator[str]:
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield from pool.map(_sha256, paths)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read the image {path}: {error.strerror}") from error


def _key(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100  # resolving links takes many calls a path


def _remembered(paths: Sequence[Path], states: Sequence[State]) -> list[str | None]:
    if not cache_file().is_file():
        return [None] * len(paths)
    # A cache that is damaged, locked or not ours only costs time.
    with contextlib.suppress(sqlite3.Error, OSError), _database() as database:
        rows = database.execute("SELECT path, size, mtime, ctime, inode, sha256 FROM files")
        known = {path: (tuple(state), value) for path, *state, value in rows}
        found = (known.get(_key(path)) for path in paths)
        pairs = zip(found, states, strict=True)
        return [row[1] if row is not None and row[0] == state else None for row, state in pairs]
    return [None] * len(paths)


def _remember(rows: Sequence[tuple[Path, State, str]]) -> None:
    settled = time.time_ns() - SETTLED_NS
    values = [
        (_key(path), *state, value)
        for path, state, value in rows
        if max(state[1], state[2]) < settled
    ]
    with contextlib.suppress(sqlite3.Error, OSError):
        cache_file().parent.mkdir(parents=True, exist_ok=True)
        with _database() as database:
            database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", values)


@contextlib.contextmanager
def _database() -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(cache_file(), timeout=5)) as database, database:
        database.execute(TABLE)
        yield database
