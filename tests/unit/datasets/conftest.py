"""Small datasets on disk, each in the layout and with the key names of the real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hexdet.datasets.faults import Faults
from hexdet.datasets.opening import open_split
from hexdet.datasets.record import Dataset
from hexdet.recipe import Recipe, parse_recipe

WIDTH, HEIGHT = 60, 40

PutImage = Callable[..., Path]
OpenData = Callable[..., Dataset]


def recipe_of(**data: Any) -> Recipe:
    """Return a recipe with this data section."""
    return parse_recipe({"name": "tiny", "data": data}, "the test")


@pytest.fixture
def put_image(tmp_path: Path) -> PutImage:
    """Return a function that writes an image under the data folder, by default 60 x 40."""

    def put(path: str, width: int = WIDTH, height: int = HEIGHT) -> Path:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((height, width, 3), len(path) % 200, np.uint8)
        assert cv2.imwrite(str(target), pixels)
        return target

    return put


@pytest.fixture
def put_text(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return a function that writes a text under the data folder."""

    def put(path: str, text: str) -> Path:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    return put


@pytest.fixture
def open_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenData:
    """Return a function that opens a split of a data section, as a recipe would."""
    monkeypatch.setenv("HEXDET_DATA", str(tmp_path))

    def open_it(split: str = "train", faults: Faults | None = None, **data: Any) -> Dataset:
        return open_split(recipe_of(**data).data, split, faults)  # type: ignore[arg-type]

    return open_it
