"""What is said of a disk without room: how much a file needs and how much is free."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

from ..errors import ArtifactError

FULL = (errno.ENOSPC, errno.EDQUOT)


def why(error: OSError, folder: Path, size: int | None = None) -> str:
    """Return what the operating system says went wrong; of a full disk also the room on it.

    folder: on that disk. size: bytes that should have been written, where known.
    """
    text = error.strerror or str(error)
    if error.errno not in FULL:
        return text
    with suppress(OSError):
        needed = "" if size is None else f"{_amount(size)} needed, "
        text += f" ({needed}{_amount(shutil.disk_usage(folder).free)} free)"
    return text


def check_room(folder: Path, size: int) -> None:
    """Raise ArtifactError where a file of so many bytes has no room in a folder.

    For what a library writes that does not say why it failed.
    """
    if shutil.disk_usage(folder).free < size:
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise ArtifactError(
            f"cannot write into {folder.parent}: {why(full, folder, size)}; set TMPDIR"
        )


def _amount(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.0f} KiB"
