"""Folders for files on their way to somewhere else; those of killed processes are cleared away."""

from __future__ import annotations

import contextlib
import errno
import functools
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import ArtifactError
from .room import FULL, why

PREFIX = "hexdet-scratch-"
LITTLE = 2**20
"""Bytes: a disk with more of them free is not full."""


@contextlib.contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that is gone at the end.

    place: where it is made; in the system's folder for temporary files (TMPDIR) where None. What
    killed processes left there is removed first. Raises ArtifactError where none can be made, or
    where its disk becomes full while it is used.
    """
    try:
        where = Path(tempfile.gettempdir()) if place is None else place
        _sweep(where)
        folder, release = _make(where)
    except OSError as error:
        what = "make a folder for temporary files" if place is None else f"write into {place}"
        hint = "; set TMPDIR" if place is None else ""
        raise ArtifactError(f"cannot {what}: {error.strerror}{hint}") from error
    try:
        yield folder
    except OSError as error:
        if not _is_full(where, error):
            raise
        advice = "set TMPDIR" if place is None else "make room there"
        raise ArtifactError(f"cannot write into {where}: {why(error, where)}; {advice}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        release()


def _is_full(where: Path, error: OSError) -> bool:
    """Tell whether an error is that the disk of a folder is full, and not another disk.

    What fails to write into an open file names none; of a copy the second one is written.
    """
    if error.errno not in FULL:
        return False
    named = error.filename2 or error.filename
    if named is not None:
        return Path(str(named)).is_relative_to(where)
    return error.errno == errno.EDQUOT or shutil.disk_usage(where).free < LITTLE


if sys.platform == "win32":

    def _make(where: Path) -> tuple[Path, Callable[[], None]]:
        return Path(tempfile.mkdtemp(prefix=PREFIX, dir=where)), lambda: None

    def _sweep(where: Path) -> None:
        pass

else:
    import os

    from .locks import let_go, take

    FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

    def _make(where: Path) -> tuple[Path, Callable[[], None]]:
        """Make a folder that is held; return it and what lets go of it."""
        while True:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=where))
            with contextlib.suppress(FileNotFoundError):  # taken for left behind before it was held
                handle = take(folder, FLAGS)
                if handle is not None:
                    return folder, functools.partial(let_go, handle)

    def _sweep(where: Path) -> None:
        """Remove the folders of processes that are no more: nobody holds them."""
        for folder in where.glob(f"{PREFIX}*"):
            with contextlib.suppress(OSError):
                if folder.lstat().st_uid != os.getuid():
                    continue
                handle = take(folder, FLAGS, surely=True)
                if handle is not None:
                    shutil.rmtree(folder, ignore_errors=True)
                    let_go(handle)
