"""adb's file service: stat, list, send and receive, in the first and in the second version."""

from __future__ import annotations

import errno
import os
import struct
import time
from pathlib import Path

from adb.standin_device.shell_service import Device
from adb.standin_device.wire import ClosedError, Stream

BLOCK = 64 * 1024
STAT2 = struct.Struct("<4sIQQIIIIQqqq")
DIRENT2 = struct.Struct("<4sIQQIIIIQqqqI")


class _FailError(Exception):
    """What the other end is told."""


def serve_sync(stream: Stream, device: Device) -> None:
    """Answer requests until QUIT."""
    while True:
        name, length = struct.unpack("<4sI", stream.read(8))
        if name == b"QUIT":
            stream.close()
            return
        text = stream.read(length).decode()
        try:
            _answer(stream, device, name, text)
        except _FailError as failure:
            told = str(failure).encode()
            stream.write(struct.pack("<4sI", b"FAIL", len(told)) + told)


def _answer(stream: Stream, device: Device, name: bytes, text: str) -> None:
    if name == b"SEND":
        path, _, mode = text.rpartition(",")
        _take(stream, device, Path(device.phone.into(path)), int(mode) & 0o777)
        return
    path = Path(device.phone.into(text))
    if name == b"RECV":
        _give(stream, device, path)
    elif name == b"STAT":
        found = _stat(path, follow=False)
        values = (found.st_mode, found.st_size, int(found.st_mtime)) if found else (0, 0, 0)
        stream.write(struct.pack("<4s3I", name, *(value & 0xFFFFFFFF for value in values)))
    elif name in (b"STA2", b"LST2"):
        stream.write(STAT2.pack(name, *_fields(path, follow=name == b"STA2")))
    elif name in (b"LIST", b"LIS2"):
        _list(stream, path, new=name == b"LIS2")
    else:
        raise _FailError(f"unknown request {name!r}")


def _stat(path: Path, *, follow: bool) -> os.stat_result | None:
    try:
        return path.stat(follow_symlinks=follow)
    except OSError:
        return None


def _fields(path: Path, *, follow: bool) -> tuple[int, ...]:
    found = _stat(path, follow=follow)
    if found is None:
        return (errno.ENOENT, *(0,) * 10)
    times = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
    owner = (found.st_nlink, found.st_uid, found.st_gid)
    return (0, found.st_dev, found.st_ino, found.st_mode, *owner, found.st_size, *times)


def _list(stream: Stream, path: Path, *, new: bool) -> None:
    for entry in sorted(path.iterdir()) if path.is_dir() else []:
        raw = entry.name.encode()
        fields = _fields(entry, follow=False)
        if new:
            stream.write(DIRENT2.pack(b"DNT2", *fields, len(raw)) + raw)
        else:
            mode, size, time_s = fields[3], fields[7], fields[9]
            stream.write(struct.pack("<4s4I", b"DENT", mode, size, time_s, len(raw)) + raw)
    end = DIRENT2.pack(b"DONE", *(0,) * 12) if new else struct.pack("<4s4I", b"DONE", 0, 0, 0, 0)
    stream.write(end)


def _take(stream: Stream, device: Device, path: Path, mode: int) -> None:
    """Receive a file. On a full disk the rest of it is read and thrown away, as adbd does."""
    faults = device.faults
    full, slow, lost = (faults.find(n) for n in ("full", "slow", "lost-in-push"))
    failure = ""
    changed = faults.take("garbled") is not None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.touch()
    except OSError as error:
        failure = f"couldn't create file: {error.strerror}"
    with (Path(os.devnull) if failure else path).open("wb") as target:
        while True:
            name, length = struct.unpack("<4sI", stream.read(8))
            if name == b"DONE":
                break
            data = stream.read(length)
            if slow:
                time.sleep(float(slow["seconds"]))
            if lost:
                lost["bytes"] -= len(data)
                if lost["bytes"] < 0 and faults.take("lost-in-push"):
                    target.write(data[: len(data) // 2])
                    target.close()
                    stream.wire.cut()
                    raise ClosedError
            if full and _size(device) + len(data) > full["bytes"]:
                failure = failure or "couldn't write: No space left on device"
            if not failure:
                target.write(bytes([data[0] ^ 0xFF]) + data[1:] if changed else data)
                target.flush()
                changed = False
    if failure:
        path.unlink(missing_ok=True)
        raise _FailError(failure)
    path.chmod(mode)
    os.utime(path, (length, length))
    stream.write(struct.pack("<4sI", b"OKAY", 0))


def _size(device: Device) -> int:
    files = device.phone.temporary.rglob("*")
    return sum(path.stat().st_size for path in files if path.is_file())


def _give(stream: Stream, device: Device, path: Path) -> None:
    lost = device.faults.find("lost-in-pull")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _FailError(f"read failed: {error.strerror}") from None
    for start in range(0, len(content), BLOCK):
        block = content[start : start + BLOCK]
        if lost and start + len(block) > lost["bytes"] and device.faults.take("lost-in-pull"):
            stream.wire.cut()
            raise ClosedError
        stream.write(struct.pack("<4sI", b"DATA", len(block)) + block)
    stream.write(struct.pack("<4sI", b"DONE", 0))
