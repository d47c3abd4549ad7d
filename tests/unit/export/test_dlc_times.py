"""A DLC holds no time of its own: the same graph gives the same bytes."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from hexdet.errors import ArtifactError
from hexdet.export.dlc_file.times import without_times

META = (
    b'{"a": {"timestamp": "2026-11-21 20:30:51 UTC"},'
    b' "b": [{"timestamp": "2025-01-02 03:04:05 UTC"}]}'
)


def dlc(metadata: bytes, *, checksums: bool) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("dlc.metadata", metadata)
        archive.writestr("model", b'"timestamp": "2026-11-21 20:30:51 UTC"')
    data = bytearray(stream.getvalue())
    if not checksums:
        for signature, place in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
            at = -1
            while (at := data.find(signature, at + 1)) >= 0:
                struct.pack_into("<I", data, at + place, 0)
    return bytes(data)


def test_every_time_of_the_metadata_becomes_the_same_and_nothing_moves() -> None:
    data = dlc(META, checksums=False)
    changed = without_times(data, "x")
    assert len(changed) == len(data)
    assert changed.count(b'"1980-01-01 00:00:00 UTC"') == 2
    assert changed.count(b"2026-11-21") == 1  # in the model, which is none of the metadata
    assert without_times(changed, "x") == changed


def test_what_has_a_checksum_or_no_time_stays() -> None:
    for data in (dlc(META, checksums=True), dlc(b"{}", checksums=False)):
        assert without_times(data, "x") == data


def test_no_dlc_is_refused() -> None:
    with pytest.raises(ArtifactError):
        without_times(b"no archive", "x")
