"""Calibration images: what the network reads, kept on disk, by name and hash."""

from __future__ import annotations

import hashlib
import os
import tempfile
from typing import Any

import numpy as np
import pytest

from hexdet.calibration_data.images import CalibrationImages, digest_of, read_calibration_set
from hexdet.errors import DataError
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import to_pixels


def test_none_is_refused(ramps: Any, spec: InputSpec) -> None:
    with pytest.raises(DataError, match="no calibration image was chosen from ramps/train"):
        read_calibration_set(ramps(), [], spec)


def test_an_empty_set_has_no_images(spec: InputSpec) -> None:
    images = CalibrationImages("d", spec)
    assert (len(images), list(images), images[:]) == (0, [], [])
    with pytest.raises(IndexError):
        images[0]


def test_images_are_read_in_the_order_of_the_indices_as_at_run_time(
    ramps: Any, spec: InputSpec
) -> None:
    found = read_calibration_set(ramps(), [3, 0, 4], spec)
    assert found.dataset == "ramps/train"
    assert found.names == ["ramp-3", "ramp-0", "ramp-4"]
    for pixels, index in zip(found, (3, 0, 4), strict=True):
        assert pixels.dtype == np.uint8
        np.testing.assert_array_equal(pixels, to_pixels(ramps()[index].image, spec))


def test_images_can_be_had_again_in_any_order_and_the_dataset_is_read_once(
    ramps: Any, spec: InputSpec
) -> None:
    dataset = ramps()
    found = read_calibration_set(dataset, [0, 1, 2], spec)
    once, again = list(found), list(found)
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(found[-1], once[2])
    np.testing.assert_array_equal(found[:2], once[:2])
    with pytest.raises(IndexError):
        found[3]
    assert dataset.read == [0, 1, 2]


def test_hashes_are_of_the_pixels_that_the_network_reads(ramps: Any, spec: InputSpec) -> None:
    found = read_calibration_set(ramps(), [1, 2], spec)
    assert found.sha256 == [hashlib.sha256(p.tobytes()).hexdigest() for p in found]
    assert found.sha256 == [digest_of(p) for p in found]
    assert len(set(found.sha256)) == 2


def test_a_hash_is_of_the_values_however_they_lie_in_memory() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (1, 4, 6, 3)).astype(np.uint8)
    assert digest_of(np.asfortranarray(pixels)) == digest_of(pixels)
    assert digest_of(pixels[:, ::-1]) != digest_of(pixels)
    assert digest_of(pixels[:, ::-1][:, ::-1]) == digest_of(pixels)


@pytest.mark.parametrize(
    ("shift", "spec_of_other"),
    [
        (1, InputSpec(width=8, height=6)),
        (0, InputSpec(width=9, height=6)),
        (0, InputSpec(width=8, height=6, colour="bgr")),
    ],
    ids=["other pixels", "another size", "another colour order"],
)
def test_what_changes_the_networks_input_changes_the_hash(
    ramps: Any, spec: InputSpec, shift: int, spec_of_other: InputSpec
) -> None:
    before = read_calibration_set(ramps(), [0], spec).sha256
    assert read_calibration_set(ramps(shift=shift), [0], spec_of_other).sha256 != before


def test_progress_is_told_after_every_image(ramps: Any, spec: InputSpec) -> None:
    seen: list[tuple[int, int]] = []
    read_calibration_set(ramps(), [0, 1, 2], spec, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_an_image_of_another_shape_is_a_bug(spec: InputSpec) -> None:
    with pytest.raises(ValueError, match=r"x is uint8 \(1, 6, 9, 3\)"):
        CalibrationImages("d", spec).add("x", np.zeros((1, 6, 9, 3), np.uint8))


def test_the_file_has_no_name_and_is_closed_with_the_set(ramps: Any, spec: InputSpec) -> None:
    found = read_calibration_set(ramps(), [0], spec)
    handle = found._handle
    assert os.fstat(handle).st_nlink == 0
    del found
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)


def test_no_room_for_temporary_files_is_said(
    spec: InputSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with pytest.raises(DataError, match=r"in /nowhere/at/all: No such file.*set TMPDIR"):
        CalibrationImages("d", spec)


def test_a_full_disk_is_said(ramps: Any, spec: InputSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda handle, data, offset: len(data) - 1)
    with pytest.raises(DataError, match="the disk is full"):
        read_calibration_set(ramps(), [0], spec)
