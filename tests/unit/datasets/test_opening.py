"""From a recipe to its images: the splits, and what calibration chooses from."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hexdet.datasets.opening import open_calibration, open_split
from hexdet.errors import DataError
from hexdet.recipe import load_recipe
from hexdet.recipe.data import FacesData


def test_calibration_takes_the_training_split_unless_told() -> None:
    recipe = load_recipe("heads", ["data.train=3"])
    ours, theirs = open_calibration(recipe), open_split(recipe.data, "train")
    assert ours.fingerprint() == theirs.fingerprint()
    assert len(ours) == 3


def test_calibration_takes_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEXDET_DATA", str(tmp_path))
    recipe = load_recipe("heads", ["calibration.folder=street"])
    with pytest.raises(DataError, match="street"):
        open_calibration(recipe)
    (tmp_path / "street").mkdir()
    cv2.imwrite(str(tmp_path / "street" / "a.png"), np.zeros((8, 9, 3), np.uint8))
    dataset = open_calibration(recipe)
    assert [dataset[i].name for i in range(len(dataset))] == ["a"]
    assert dataset.classes == ("head",)


def test_the_rendered_faces_are_opened() -> None:
    dataset = open_split(FacesData(format="faces", test=2), "test")
    assert (len(dataset), dataset.classes) == (2, ("face", "partial"))
