"""A file is written whole or not at all: an interrupted run leaves the old one or none."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hexdet.errors import ArtifactError
from hexdet.runtime.files import replacing, sha256_of, write_bytes, write_text

DISK_BYTES = 64 * 1024


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize("text", ["", "a\n", "ä € \U0001f600\n"])
def test_text_is_written_as_utf8(text: str, tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.json", text)
    assert path == tmp_path / "a.json"
    assert path.read_bytes() == text.encode()
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("data", [b"", b"\x00\xff\r\n"])
def test_bytes_are_written_as_they_are(data: bytes, tmp_path: Path) -> None:
    assert write_bytes(tmp_path / "a.dlc", data).read_bytes() == data
    assert names(tmp_path) == ["a.dlc"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    assert write_text(tmp_path / "a" / "b" / "c.txt", "x").read_text() == "x"


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".onnx"
        assert temporary != path
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.onnx"]


def test_a_new_file_has_the_rights_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = write_text(tmp_path / "a", "x")
        assert os.umask(0o027) == 0o027  # writing did not change it
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("old", ["old", None])
def test_an_exception_inside_leaves_the_old_file_or_none(
    error: BaseException, old: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    if old is not None:
        path.write_text(old)

    def interrupted() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half of the n")
            raise error

    with pytest.raises(type(error)) as caught:
        interrupted()
    assert caught.value is error
    assert names(tmp_path) == ([] if old is None else ["a.json"])
    assert old is None or path.read_text() == old


def test_an_error_of_the_disk_inside_is_told_and_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")

    def on_a_broken_disk() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.raises(ArtifactError, match=r"a\.json: Input/output error"):
        on_a_broken_disk()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "build").write_text("a file")
    for path in (tmp_path / "build" / "a.json", tmp_path / "build" / "heads" / "a.json"):
        with pytest.raises(ArtifactError, match="cannot write") as caught:
            write_text(path, "x")
        assert str(path) in str(caught.value)
    assert (tmp_path / "build").read_text() == "a file"


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    with pytest.raises(ArtifactError, match=r"a\.json"):
        write_text(tmp_path / "a.json", "x")
    assert names(tmp_path) == ["a.json"]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc here")
def test_a_folder_that_nobody_may_write_to_is_told() -> None:
    for path in (Path("/proc/self/a.json"), Path("/proc/hexdet/a.json")):
        with pytest.raises(ArtifactError, match="cannot write") as caught:
            write_text(path, "x")
        assert str(path) in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(ArtifactError, match="Permission denied"):
            write_text(tmp_path / "a.json", "x")
    finally:
        tmp_path.chmod(0o755)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, mounted for one test."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root on Linux can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "hexdet-test", str(disk)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_told_and_leaves_the_old_file(small_disk: Path) -> None:
    path = write_bytes(small_disk / "float.onnx", b"old" * 1000)
    with pytest.raises(ArtifactError, match="No space left on device") as caught:
        write_bytes(path, b"\x01" * 2 * DISK_BYTES)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old" * 1000
    assert names(small_disk) == ["float.onnx"]
    # The room that the half-written file took is free again.
    assert write_bytes(path, b"\x02" * (DISK_BYTES // 2)).stat().st_size == DISK_BYTES // 2


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
def test_sha256_of_the_standards_examples(data: bytes, expected: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(data)
    assert sha256_of(tmp_path / "a") == expected
