"""Getting files onto a device: only those whose sha256 differs there, and checked after."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DeviceError
from ...runtime.files import sha256_of
from .client import Connection, quote

PUSH_LIMIT_S = 900.0
HASH_LIMIT_S = 120.0
SPARE_BYTES = 8 * 2**20
"""What is left free on the device, for outputs and logs."""
_LINE = re.compile(r"^\\?([0-9a-f]{64}) [ *](.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Shipped:
    """What one shipment took. kept: files that were there already."""

    pushed: int
    pushed_bytes: int
    kept: int

    def __add__(self, other: Shipped) -> Shipped:
        return Shipped(
            pushed=self.pushed + other.pushed,
            pushed_bytes=self.pushed_bytes + other.pushed_bytes,
            kept=self.kept + other.kept,
        )


NOTHING = Shipped(pushed=0, pushed_bytes=0, kept=0)


def check_device_folder(folder: str) -> str:
    """Return a folder of the device as it can be used, DeviceError where it cannot be.

    Spaces and quotes do no harm; the loader's search paths cannot hold what separates them.
    """
    clean = folder.rstrip("/")
    if not clean.startswith("/") or clean.count("/") < 2:
        raise DeviceError(
            f"--device-dir {folder} is not a folder below another: take one such as "
            f"/data/local/tmp/hexdet"
        )
    if any(sign in clean for sign in ":;\n\0\\") or {".", ".."} & set(clean.split("/")):
        raise DeviceError(f"--device-dir {folder!r} holds one of : ; \\ or .., which cannot work")
    return clean


def ship(connection: Connection, root: str, folders: Mapping[str, Sequence[Path]]) -> Shipped:
    """Copy files into folders below `root` where their content is not there already.

    Two files of one folder may not share a name. Raises DeviceError where they do not fit or
    arrive damaged twice.
    """
    wanted = {
        f"{root}/{folder}/{path.name}": path for folder, paths in folders.items() for path in paths
    }
    made = [f"{root}/{folder}" for folder in folders]
    done = connection.shell(f"mkdir -p {quote(*made)}")
    if done.code:
        raise DeviceError(
            f"{connection.serial}: {root} cannot be made: {done.err.strip() or done.out.strip()}; "
            f"name another place with --device-dir"
        )
    hashes = {path: sha256_of(path) for path in set(wanted.values())}
    missing = _different(connection, wanted, hashes)
    kept, pushed, size = len(wanted) - len(missing), 0, 0
    for _ in range(2):
        if not missing:
            break
        _check_space(connection, root, missing.values())
        size += _push(connection, missing)
        pushed += len(missing)
        missing = _different(connection, missing, hashes)
    if missing:
        raise DeviceError(
            f"{connection.serial}: {next(iter(missing))} has another content than was sent, twice: "
            f"the cable or its storage is faulty"
        )
    return Shipped(pushed=pushed, pushed_bytes=size, kept=kept)


def _push(connection: Connection, files: Mapping[str, Path]) -> int:
    by_folder: dict[str, list[Path]] = {}
    for remote, path in files.items():
        by_folder.setdefault(remote.rpartition("/")[0], []).append(path)
    for folder, paths in by_folder.items():
        connection.push(paths, folder, PUSH_LIMIT_S)
    return sum(path.stat().st_size for path in files.values())


def _different(
    connection: Connection, wanted: Mapping[str, Path], hashes: Mapping[Path, str]
) -> dict[str, Path]:
    """Return those of the files that the device has not, or with another content."""
    if not wanted:
        return {}
    done = connection.shell(f"sha256sum {quote(*wanted)} 2>/dev/null", HASH_LIMIT_S)
    there = {name: digest for digest, name in _LINE.findall(done.out)}
    return {name: path for name, path in wanted.items() if there.get(name) != hashes[path]}


def _check_space(connection: Connection, root: str, paths: Iterable[Path]) -> None:
    needed = sum(path.stat().st_size for path in paths)
    lines = connection.shell(f"df -k {quote(root)}").out.splitlines()
    numbers = [int(word) for word in (lines[-1].split() if lines else []) if word.isdigit()]
    if len(numbers) < 3:  # no df, or in another form: copying itself will tell
        return
    free = numbers[2] * 1024
    if free < needed + SPARE_BYTES:
        raise DeviceError(
            f"{connection.serial}: its storage is full: {needed / 1024:,.0f} KiB have to go to "
            f"{root}, {SPARE_BYTES >> 20} MiB are kept for outputs, and {free / 1024:,.0f} KiB are "
            f"free; free some, or name another place with --device-dir"
        )


def remove(connection: Connection, path: str) -> None:
    """Delete a folder of the device with all that is in it."""
    connection.shell(f"rm -rf {quote(path)}")
