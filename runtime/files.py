"""Writing files so that an interrupted run leaves the old file or none."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ArtifactError
from .locks import reserved
from .room import why
from .scratch import scratch_folder


@contextmanager
def replacing(path: Path, size: int | None = None) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it takes the place of `path`.

    size: how many bytes will be written, where that is known. The temporary name is the same each
    time: what a killed process left under it is written over. Raises ArtifactError where the disk
    is full, the folder cannot be written or another process is writing the same file; the old file,
    where there was one, is then untouched and the temporary one is gone.
    """
    # The suffix stays: some writers choose their format by it.
    temporary = path.with_name(f".{path.stem}-part{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with reserved(temporary) as ours:
            if not ours:
                raise ArtifactError(f"cannot write {path}: another process is writing it")
            try:
                yield temporary
                sync(temporary)
                umask = os.umask(0)
                os.umask(umask)
                temporary.chmod(0o666 & ~umask)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ArtifactError(f"cannot write {path}: {why(error, path.parent, size)}") from error


@contextmanager
def replacing_set(folder: Path, seal: str) -> Iterator[Path]:
    """Yield an empty folder for files that belong together; on success they move into `folder`.

    seal: the file without which nobody reads the others. Its old content goes first and its new
    one comes last: a process that is killed in between leaves no set whose files do not belong
    together. Raises ArtifactError where the disk is full; the old files are then untouched.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder) as staged:
            try:
                yield staged
            except ArtifactError as error:
                # Its user knows the file by the name that it was to have.
                raise ArtifactError(str(error).replace(str(staged), str(folder))) from error
            files = sorted(staged.iterdir(), key=lambda path: path.name == seal)
            for file in files:
                sync(file)
            (folder / seal).unlink(missing_ok=True)
            for file in files:
                file.replace(folder / file.name)
    except OSError as error:
        raise ArtifactError(f"cannot write {folder}: {why(error, folder)}") from error


def sync(path: Path) -> None:
    """Wait until a file is on the disk; OSError where it has no room there."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def write_text(path: Path, text: str) -> Path:
    """Write a UTF-8 text file atomically and return its path."""
    return write_bytes(path, text.encode("utf-8"))


def to_json(value: Any) -> str:
    """Return indented JSON; a number that is not finite becomes null: JSON has no word for it."""
    return json.dumps(_finite(value), indent=1, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_bytes(path: Path, data: bytes) -> Path:
    """Write a file atomically and return its path."""
    with replacing(path, len(data)) as temporary:
        temporary.write_bytes(data)
    return path


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
