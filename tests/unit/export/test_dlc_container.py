"""The ZIP around a DLC: what is taken, what is refused."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from pathlib import Path

import pytest

from hexdet.errors import ArtifactError
from hexdet.export.dlc_file.container import open_archive


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.dlc"
    path.touch()
    with pytest.raises(ArtifactError, match="not a ZIP"):
        open_archive(path)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: None])
def test_what_is_not_a_file_is_refused_without_waiting(tmp_path, make):
    make(tmp_path / "odd.dlc")
    with pytest.raises(ArtifactError, match="no file"):
        open_archive(tmp_path / "odd.dlc")


def test_entries_without_a_checksum_are_read(save):
    archive = open_archive(save({"a": b"first", "b": b"", "c": b"third"}))
    assert list(archive.entries) == ["a", "b", "c"]
    assert bytes(archive.read("a")) == b"first" and bytes(archive.read("b")) == b""
    assert archive.read("d") is None


def test_a_checksum_is_checked_where_there_is_one(tmp_path):
    path = tmp_path / "stored.dlc"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model", b"0123456789")
    entry = open_archive(path).entries["model"]
    assert entry.crc == zlib.crc32(b"0123456789")
    path.write_bytes(path.read_bytes().replace(b"0123456789", b"0123456780"))
    with pytest.raises(ArtifactError, match="checksum"):
        open_archive(path)


def test_a_compressed_entry_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.dlc"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model", bytes(10 << 20))
    with pytest.raises(ArtifactError, match="compressed"):
        open_archive(path)


def test_zip64_values_are_taken_from_the_extra_field(tmp_path):
    content, name, unknown = b"content", b"model", 0xFFFFFFFF
    local = struct.pack("<4s5H3I2H", b"PK\3\4", *[0] * 5, 0, unknown, unknown, len(name), 0)
    local += name
    # Another extra field, of 2 bytes, comes first.
    extra = struct.pack("<2H2s", 9, 2, b"--") + struct.pack("<2H3Q", 1, 24, 7, 7, 0)
    sizes = (0, unknown, unknown, len(name), len(extra), 0, 0, 0, 0, unknown)
    central = struct.pack("<4s6H3I5H2I", b"PK\1\2", *[0] * 6, *sizes) + name + extra
    start = len(local) + len(content)
    end = start + len(central)
    end64 = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(central), start)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    last = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), unknown, 0)
    path = tmp_path / "zip64.dlc"
    path.write_bytes(local + content + central + end64 + locator + last)
    assert bytes(open_archive(path).read("model")) == content


def test_two_entries_of_one_name_are_refused(save):
    path = save({"model": b"1", "nodel": b"2"})
    path.write_bytes(path.read_bytes().replace(b"nodel", b"model"))
    with pytest.raises(ArtifactError, match="two entries"):
        open_archive(path)


def test_overlapping_entries_are_refused(save):
    path = save({"a": b"x" * 40, "b": b"y" * 40})
    content = path.read_bytes()
    # The directory says of both that they are longer than they are.
    path.write_bytes(content.replace(struct.pack("<2I", 40, 40), struct.pack("<2I", 60, 60)))
    with pytest.raises(ArtifactError, match=r"overlaps|beyond"):
        open_archive(path)


def test_too_many_entries_are_refused(save):
    with pytest.raises(ArtifactError, match="65 entries"):
        open_archive(save({str(index): b"" for index in range(65)}))


def test_every_shorter_file_is_refused(save, tmp_path):
    content = save({"model": b"0123456789"}).read_bytes()
    for size in range(len(content)):
        path = tmp_path / "cut.dlc"
        path.write_bytes(content[:size])
        with pytest.raises(ArtifactError):
            open_archive(path)


def test_a_large_file_is_mapped_not_loaded(save, monkeypatch):
    monkeypatch.setattr("hexdet.export.dlc_file.container.MAX_LOADED_BYTES", 10)
    archive = open_archive(save({"model": b"0123456789"}))
    assert bytes(archive.read("model")) == b"0123456789"
    assert type(archive.data.obj).__name__ == "mmap"
