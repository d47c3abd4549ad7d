"""Locks that the kernel lets go of when the process that holds them ends, however it ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ..errors import ArtifactError

GRACE_S = 2.0
"""The workers of a process that was killed may hold its folder for a moment longer."""

if sys.platform == "win32":

    @contextlib.contextmanager
    def reserved(path: Path) -> Iterator[bool]:
        """Yield True; an open file could not be renamed here."""
        path.write_bytes(b"")
        yield True

    @contextlib.contextmanager
    def held(folder: Path, refusal: str) -> Iterator[None]:
        """Do nothing: there are no handles of folders here."""
        yield

else:
    import fcntl

    def take(path: Path, flags: int, wait_s: float = 0.0, *, surely: bool = False) -> int | None:
        """Open a file or folder for this process alone and return its handle, for `let_go`.

        None where another process has had it for `wait_s`; with `surely` also where the file system
        cannot tell. flags: of `os.open`; with O_CREAT a missing file is made, for its owner alone.
        Raises OSError.
        """
        end = time.monotonic() + wait_s
        while True:
            handle = os.open(path, flags, 0o600)
            if _lock(handle, surely):
                # Whoever held it before may have removed or renamed it while this waited.
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(os.fstat(handle), path.stat()):
                        return handle
            elif time.monotonic() >= end:
                os.close(handle)
                return None
            else:
                time.sleep(GRACE_S / 20)
            os.close(handle)

    def _lock(handle: int, surely: bool) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return not surely  # some network file systems know no locks
        return True

    def let_go(handle: int) -> None:
        """End what `take` began."""
        # Closing is not enough: forked workers may live on for a moment, and share the lock.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)

    @contextlib.contextmanager
    def reserved(path: Path) -> Iterator[bool]:
        """Make a file, or empty it, and keep other processes that ask out of it meanwhile.

        It may be renamed and written by its name. Yields False where another process has it, which
        is then left as it is. Raises OSError.
        """
        handle = take(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
        if handle is None:
            yield False
            return
        try:
            os.ftruncate(handle, 0)
            yield True
        finally:
            let_go(handle)

    @contextlib.contextmanager
    def held(folder: Path, refusal: str) -> Iterator[None]:
        """Keep other processes that ask out of a folder, which is made where it is missing.

        A new one that stays empty is gone at the end. Raises ArtifactError with the text `refusal`
        where another process has it, or where it cannot be made.
        """
        is_new = not folder.is_dir()
        handle = _take_folder(folder)
        if handle is None:
            raise ArtifactError(refusal)
        try:
            yield
        finally:
            if is_new:
                with contextlib.suppress(OSError):
                    folder.rmdir()
            let_go(handle)

    def _take_folder(folder: Path) -> int | None:
        while True:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ArtifactError(f"cannot write {folder}: {error.strerror}") from error
            try:
                return take(folder, os.O_RDONLY | os.O_DIRECTORY, GRACE_S)
            except FileNotFoundError:
                continue  # another process has just removed its empty folder
            except OSError as error:
                raise ArtifactError(f"cannot write {folder}: {error.strerror}") from error
