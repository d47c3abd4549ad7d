"""The stage that quantizes: what it refuses, what it stores, what it makes again."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hexdet.errors import DataError, RecipeError
from hexdet.export.bundle import Bundle
from hexdet.export.quantizing_stage import check_widths, quantize_bundle
from hexdet.export.stages import STAGES, Watcher
from hexdet.recipe import QuantizationSection, Recipe, parse_recipe
from hexdet.runtime.targets import TARGETS, find_target

WIDE: dict[str, Any] = {"activation_bits": {"activation_bits": 16}, "wide": {"wide": ("a",)}}


def recipe_with(**section: Any) -> Recipe:
    return Recipe(name="r", quantization=QuantizationSection(**section))


@pytest.mark.parametrize("key", WIDE)
@pytest.mark.parametrize(("int16", "words"), [(False, "has no"), (None, "is not known to have")])
def test_16_bits_on_a_chip_without_them_are_refused(
    key: str, int16: bool | None, words: str
) -> None:
    chip = dataclasses.replace(find_target("SM8350"), int16=int16)
    message = rf"quantization\.{key}: SM8350 \(Hexagon v68\) {words} 16-bit activations"
    with pytest.raises(RecipeError, match=message):
        check_widths(recipe_with(**WIDE[key]), chip)
    check_widths(recipe_with(), chip)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("key", WIDE)
def test_every_known_chip_has_them(name: str, key: str) -> None:
    check_widths(recipe_with(**WIDE[key]), TARGETS[name])


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with three images to calibrate with and two to evaluate on."""
    monkeypatch.setenv("HEXDET_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("test", 2)):
        (tmp_path / split).mkdir()
        for index in range(count):
            noise = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
            cv2.imwrite(str(tmp_path / split / f"{index}.png"), noise)
    return tmp_path


def images_recipe(count: int) -> Recipe:
    data = {"format": "images", "classes": ["head"], "train": "train", "test": "test"}
    content = {"name": "r", "data": data, "calibration": {"images": count}}
    return parse_recipe(content, "here")


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """A bundle whose float graph nothing may come to read."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "float.onnx").write_bytes(b"")
    return Bundle(folder, STAGES)


def test_an_evaluation_image_among_the_calibration_images_is_refused(
    folders: Path, bundle: Bundle
) -> None:
    (folders / "train" / "9.png").write_bytes((folders / "test" / "1.png").read_bytes())
    with pytest.raises(DataError, match=r"1 of the calibration images .* 9 \(there 1\)"):
        quantize_bundle(bundle, images_recipe(4), Watcher())
    assert not (bundle.folder / "calibration.json").exists()


def test_more_images_than_there_are_is_refused(folders: Path, bundle: Bundle) -> None:
    with pytest.raises(DataError, match=r"calibration\.images is 4, but train has 3 images"):
        quantize_bundle(bundle, images_recipe(4), Watcher())


def test_an_empty_calibration_set_is_refused(folders: Path, bundle: Bundle) -> None:
    for path in (folders / "train").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="holds no image"):
        quantize_bundle(bundle, images_recipe(1), Watcher())


def test_an_unreadable_calibration_image_is_named(folders: Path, bundle: Bundle) -> None:
    (folders / "train" / "1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"train/1\.png"):
        quantize_bundle(bundle, images_recipe(3), Watcher())


def test_what_a_stage_no_longer_makes_is_gone(tmp_path: Path) -> None:
    """A bundle that was equalised once would keep the equalised graph."""
    bundle = Bundle(tmp_path, STAGES)

    def write(*names: str) -> None:
        for name in names:
            (tmp_path / name).write_text(name, encoding="utf-8")

    for names in (["kept", "extra"], ["kept"]):
        assert bundle.run("quantize", {"names": names}, names, lambda n=names: write(*n))
    assert not (tmp_path / "extra").exists()
    manifest = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["files"].keys() == {"kept"}
    assert not bundle.run("quantize", {"names": ["kept"]}, ["kept"], write)


def test_a_stage_that_fails_keeps_its_old_files_until_it_comes_to_its_end(tmp_path: Path) -> None:
    """Without its equalised graph, an integer graph would be held against the wrong one."""
    bundle = Bundle(tmp_path, STAGES)

    def write(*names: str) -> None:
        for name in names:
            (tmp_path / name).write_text(name, encoding="utf-8")

    def fail() -> None:
        raise DataError("interrupted")

    bundle.run("target x", {"a": 1}, ["x.bin"], lambda: write("x.bin"))
    bundle.run("quantize", {"a": 1}, ["kept", "extra"], lambda: write("kept", "extra"))
    assert bundle.outputs("target") == [] and not (tmp_path / "x.bin").exists()
    for _ in range(2):
        with pytest.raises(DataError):
            bundle.run("quantize", {"a": 2}, ["kept"], fail)
        assert (tmp_path / "extra").is_file() and (tmp_path / "kept").is_file()
        bundle = Bundle(tmp_path, STAGES)
        assert bundle.outputs("quantize") == []
    # What began and did not end is made again, although it reads what it read at first.
    assert bundle.run("quantize", {"a": 1}, ["kept"], lambda: write("kept"))
    assert not (tmp_path / "extra").exists()
    assert bundle.outputs("quantize") == ["kept"]
