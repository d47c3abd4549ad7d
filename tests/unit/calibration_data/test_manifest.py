"""The record of a calibration set: names and hashes, no pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hexdet.calibration_data.images import CalibrationImages, read_calibration_set
from hexdet.calibration_data.manifest import FILE_NAME, save_manifest
from hexdet.runtime.contract import InputSpec


def test_a_set_of_none_is_written_as_such(spec: InputSpec, tmp_path: Path) -> None:
    path = save_manifest(CalibrationImages("d", spec), tmp_path, "random")
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content == {"dataset": "d", "selection": "random", "images": []}


def test_the_file_holds_names_and_hashes_and_no_pixels(
    ramps: Any, spec: InputSpec, tmp_path: Path
) -> None:
    found = read_calibration_set(ramps(), [0, 2], spec)
    path = save_manifest(found, tmp_path / "bundle", "farthest")
    assert path == tmp_path / "bundle" / FILE_NAME
    assert json.loads(path.read_text(encoding="utf-8")) == {
        "dataset": "ramps/train",
        "selection": "farthest",
        "images": [
            {"name": "ramp-0", "sha256": found.sha256[0]},
            {"name": "ramp-2", "sha256": found.sha256[1]},
        ],
    }


def test_the_same_set_is_the_same_file(ramps: Any, spec: InputSpec, tmp_path: Path) -> None:
    first, again = (
        save_manifest(
            read_calibration_set(ramps(), [0, 2], spec), tmp_path / name, "random"
        ).read_bytes()
        for name in ("a", "b")
    )
    assert first == again
