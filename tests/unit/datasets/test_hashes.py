"""Hashes of large sets are remembered, and a changed file is never taken for the old one."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from hexdet.datasets import hashes
from hexdet.datasets.hashes import cache_file, sha256_of_files
from hexdet.errors import DataError


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three files that count as a large set, and a cache of their own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(hashes, "REMEMBERED_BYTES", 0)
    monkeypatch.setattr(hashes, "SETTLED_NS", 0)
    paths = [tmp_path / f"{name}.jpg" for name in "abc"]
    for path in paths:
        path.write_bytes(path.name.encode() * 100)
    time.sleep(0.02)  # a clock tick, so that they are settled
    return paths


def expected(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_no_file_has_no_hash(files: list[Path]) -> None:
    assert sha256_of_files([]) == []


def test_a_second_look_reads_no_file(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert sha256_of_files(files) == expected(files)
    assert cache_file().is_file()
    monkeypatch.setattr(hashes, "_sha256", lambda path: pytest.fail(f"{path} is read"))
    assert sha256_of_files(list(reversed(files))) == list(reversed(expected(files)))


def test_a_change_of_the_same_size_with_its_old_date_is_seen(files: list[Path]) -> None:
    sha256_of_files(files)
    before = files[1].stat()
    files[1].write_bytes(b"X" + files[1].read_bytes()[1:])
    os.utime(files[1], ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files[1].stat().st_mtime_ns == before.st_mtime_ns
    assert sha256_of_files(files) == expected(files)


def test_a_file_in_the_place_of_another_is_seen(files: list[Path]) -> None:
    sha256_of_files(files)
    files[0].replace(files[2])
    assert sha256_of_files([files[2]]) == expected([files[2]])


def test_a_file_that_may_still_change_is_not_remembered(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "SETTLED_NS", 60_000_000_000)
    sha256_of_files(files)
    read: list[Path] = []
    plain = hashes._sha256
    monkeypatch.setattr(hashes, "_sha256", lambda path: (read.append(path), plain(path))[1])
    assert sha256_of_files(files) == expected(files)
    assert len(read) == len(files)


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_a_damaged_cache_costs_time_and_nothing_else(content: bytes, files: list[Path]) -> None:
    cache_file().parent.mkdir(parents=True)
    cache_file().write_bytes(content)
    assert sha256_of_files(files) == expected(files)


def test_a_folder_that_cannot_be_written_costs_time_and_nothing_else(
    files: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert sha256_of_files(files) == expected(files)


def test_a_small_set_leaves_nothing_behind(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "REMEMBERED_BYTES", 1 << 20)
    assert sha256_of_files(files) == expected(files)
    assert not cache_file().exists()


def test_a_missing_file_is_refused_by_name(files: list[Path]) -> None:
    files[1].unlink()
    with pytest.raises(DataError, match=r"cannot read the image .*b\.jpg"):
        sha256_of_files(files)
