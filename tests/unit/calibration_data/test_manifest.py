"""The record of a calibration set: what the network saw, by name and hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from hexdet.calibration_data.manifest import FILE_NAME, CalibrationSet, read_calibration_set
from hexdet.datasets.record import Annotation, Dropped, Record
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.images import to_pixels

SPEC = InputSpec(width=8, height=6)


class Ramps:
    """A dataset of small pictures, each of another size."""

    name = "ramps/train"
    classes: tuple[str, ...] = ("head",)

    def __init__(self, shift: int = 0) -> None:
        self.dropped: list[Dropped] = []
        self._shift = shift

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Record:
        height, width = 10 + index, 12 + 2 * index
        values = np.arange(height * width * 3) * (index + 1) + self._shift
        image = (values % 251).astype(np.uint8).reshape(height, width, 3)
        return Record(name=f"ramp-{index}", image=image, annotation=Annotation.empty())

    def annotation(self, index: int) -> Annotation:
        return self[index].annotation

    def fingerprint(self) -> str:
        return str(self._shift)


def test_a_set_of_none_is_written_as_such(tmp_path: Path) -> None:
    none = CalibrationSet(dataset="d", names=[], sha256=[], pixels=np.zeros((0, 6, 8, 3), np.uint8))
    content = json.loads(none.save(tmp_path).read_text(encoding="utf-8"))
    assert content == {"dataset": "d", "images": []}


def test_images_are_read_in_the_order_of_the_indices_as_at_run_time() -> None:
    found = read_calibration_set(Ramps(), [3, 0, 4], SPEC)
    assert found.dataset == "ramps/train"
    assert found.names == ["ramp-3", "ramp-0", "ramp-4"]
    assert found.pixels.shape == (3, 6, 8, 3)
    assert found.pixels.dtype == np.uint8
    for pixels, index in zip(found.pixels, (3, 0, 4), strict=True):
        np.testing.assert_array_equal(pixels, to_pixels(Ramps()[index].image, SPEC)[0])


def test_hashes_are_of_the_pixels_that_the_network_reads() -> None:
    found = read_calibration_set(Ramps(), [1, 2], SPEC)
    assert found.sha256 == [hashlib.sha256(p.tobytes()).hexdigest() for p in found.pixels]
    assert len(set(found.sha256)) == 2


@pytest.mark.parametrize(
    ("dataset", "spec"),
    [
        (Ramps(shift=1), SPEC),
        (Ramps(), InputSpec(width=9, height=6)),
        (Ramps(), InputSpec(width=8, height=6, colour="bgr")),
    ],
    ids=["other pixels", "another size", "another colour order"],
)
def test_what_changes_the_networks_input_changes_the_hash(dataset: Ramps, spec: InputSpec) -> None:
    before = read_calibration_set(Ramps(), [0], SPEC).sha256
    assert read_calibration_set(dataset, [0], spec).sha256 != before


def test_the_file_holds_names_and_hashes_and_no_pixels(tmp_path: Path) -> None:
    found = read_calibration_set(Ramps(), [0, 2], SPEC)
    path = found.save(tmp_path / "bundle")
    assert path == tmp_path / "bundle" / FILE_NAME
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "dataset": "ramps/train",
        "images": [
            {"name": "ramp-0", "sha256": found.sha256[0]},
            {"name": "ramp-2", "sha256": found.sha256[1]},
        ],
    }


def test_the_same_set_is_the_same_file(tmp_path: Path) -> None:
    first = read_calibration_set(Ramps(), [0, 2], SPEC).save(tmp_path / "a").read_bytes()
    again = read_calibration_set(Ramps(), [0, 2], SPEC).save(tmp_path / "b").read_bytes()
    assert first == again


def test_progress_is_told_after_every_image() -> None:
    seen: list[tuple[int, int]] = []
    read_calibration_set(Ramps(), [0, 1, 2], SPEC, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
