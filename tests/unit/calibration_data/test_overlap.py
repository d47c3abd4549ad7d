"""Calibration images that are evaluated on are refused, by their pixels and by their names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hexdet.calibration_data.images import read_calibration_set
from hexdet.calibration_data.overlap import refuse_overlap
from hexdet.datasets.images import ImageFolder
from hexdet.datasets.scenes import Scenes
from hexdet.errors import DataError
from hexdet.runtime.contract import InputSpec


def check(calibrated: Any, evaluated: Any, spec: InputSpec, count: int = 2) -> None:
    images = read_calibration_set(calibrated, range(count), spec)
    refuse_overlap(images, calibrated, evaluated, spec)


def test_no_evaluation_image_overlaps_with_nothing(ramps: Any, spec: InputSpec) -> None:
    check(ramps(), ramps(count=0), spec)


def test_other_images_under_other_names_pass(ramps: Any, spec: InputSpec) -> None:
    check(ramps(), ramps(shift=7, prefix="test"), spec)


def test_the_same_pixels_under_another_name_are_refused_and_both_named(
    ramps: Any, spec: InputSpec
) -> None:
    with pytest.raises(
        DataError, match=r"^2 of .*ramp-0 \(there test-0\), ramp-1 \(there test-1\)"
    ):
        check(ramps(), ramps(prefix="test"), spec)


def test_the_same_name_with_other_pixels_is_refused(ramps: Any, spec: InputSpec) -> None:
    with pytest.raises(DataError, match=r"^2 of .* ramps/test: ramp-0, ramp-1; .*data\.test apart"):
        check(ramps(), ramps(shift=7, name="ramps/test"), spec)


def test_of_many_the_first_are_named(ramps: Any, spec: InputSpec) -> None:
    with pytest.raises(DataError, match=r"^8 of .*ramp-4 and 3 more;"):
        check(ramps(count=9), ramps(count=8), spec, count=9)


def test_progress_is_told_after_every_evaluation_image(ramps: Any, spec: InputSpec) -> None:
    seen: list[tuple[int, int]] = []
    images = read_calibration_set(ramps(), [0], spec)
    other = ramps(count=3, shift=7, prefix="test")
    refuse_overlap(images, ramps(), other, spec, lambda *told: seen.append(told))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def folder(path: Path, grey: int) -> ImageFolder:
    path.mkdir()
    cv2.imwrite(str(path / "0001.png"), np.full((6, 8, 3), grey, np.uint8))
    return ImageFolder(path, classes=("head",))


@pytest.mark.parametrize(("grey", "same"), [(10, True), (11, False)])
def test_files_of_two_folders_are_compared_by_their_pixels_alone(
    tmp_path: Path, spec: InputSpec, grey: int, same: bool
) -> None:
    a, b = folder(tmp_path / "a", 10), folder(tmp_path / "b", grey)
    if same:
        with pytest.raises(DataError, match="0001"):
            check(a, b, spec, count=1)
    else:
        check(a, b, spec, count=1)


class Untouchable(Scenes):
    """Scenes that must not be rendered."""

    def __getitem__(self, index: int) -> Any:
        raise AssertionError


def test_scenes_of_another_split_are_others_and_need_no_rendering(spec: InputSpec) -> None:
    train, test = Scenes(split="train", count=2), Untouchable(split="test", count=200)
    check(train, test, spec, count=1)


def test_scenes_of_the_same_split_are_the_same(spec: InputSpec) -> None:
    train = Scenes(split="train", count=1)
    with pytest.raises(DataError, match="train-0-000000"):
        check(train, train, spec, count=1)
