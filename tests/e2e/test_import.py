"""Weights of other people through the door: imported, exported, and finding the same faces."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hexdet.runtime.boxes import iou
from hexdet.runtime.detector import Detector
from hexdet.runtime.images import read_image

DATA = Path(os.environ.get("HEXDET_DATA") or "data")
MODELS = DATA.parent / "models"
FACE = MODELS / "ultra_light_face"
CONTRACT = Path(__file__).parents[2] / "export" / "contracts" / "rfb320.yaml"
PHOTOS = sorted((DATA / "photos").glob("*.jpg"))

pytestmark = pytest.mark.skipif(not FACE.is_dir(), reason=f"no {FACE}: set HEXDET_DATA")


@pytest.fixture(scope="module")
def bundles(hexdet_cli: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a build folder with RFB-320 from its `.pth` and from its caffemodel."""
    build = tmp_path_factory.mktemp("build")
    few = ("--set", "calibration.images=24", "--check", "0", "--build", build)
    result = hexdet_cli(
        "import", FACE / "version-RFB-320.pth", "--recipe", "rfb320", "--build", build
    )
    assert f"next: hexdet export rfb320 --build {build}" in result.stdout
    hexdet_cli("export", "rfb320", *few)
    caffe = ("--caffe", FACE / "RFB-320.caffemodel", "--contract", CONTRACT)
    hexdet_cli("export", *caffe, "--set", "name=caffe", *few)
    return build


def test_both_find_the_same_faces_in_float_and_nearly_in_int8(bundles: Path) -> None:
    found = {
        (name, precision): Detector.load(bundles / name, backend="cpu", precision=precision)
        for name in ("rfb320", "caffe")
        for precision in ("float", "int8")
    }
    faces = matched = 0
    for path in PHOTOS:
        image = read_image(path)
        results = {key: detector(image) for key, detector in found.items()}
        expected = results["rfb320", "float"]
        np.testing.assert_allclose(results["caffe", "float"].boxes, expected.boxes, atol=0.01)
        faces += len(expected)
        for name in ("rfb320", "caffe"):
            # INT8 ranks near the threshold differently; 0.5 is below it for a face of 0.6.
            ours = found[name, "int8"](image, score=0.5)
            if len(expected) and len(ours):
                matched += int((iou(expected.boxes, ours.boxes).max(axis=1) >= 0.5).sum())
    assert faces == 57
    assert matched >= 2 * (faces - 2)


def test_the_deliverables_are_there(bundles: Path) -> None:
    for name in ("rfb320", "caffe"):
        files = {p.name for p in (bundles / name).iterdir()}
        assert files >= {"float.onnx", "int8.onnx", "float.dlc", "int8.dlc", "detector.json"}


def test_a_second_import_replaces_the_first(bundles: Path, hexdet_cli: Callable[..., Any]) -> None:
    source = FACE / "version-RFB-320.pth"
    hexdet_cli("import", source, "--recipe", "rfb320", "--build", bundles)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["x.tflite"], 2, "needs no import: `hexdet export --tflite x.tflite --contract CONTRACT`"),
        (["x.onnx", "--recipe", "heads"], 2, "hexdet export --onnx x.onnx"),
        (["x.pth"], 2, "say by --recipe whose network these weights are for"),
        (["x.weights"], 2, "known are .npz"),
        (["x.weights", "--recipe", "heads"], 2, "known are .npz"),
        (["x.caffemodel", "--recipe", "heads"], 1, "needs its definition: no x.prototxt"),
        (["x.caffemodel"], 1, "needs its definition: no x.prototxt; name it by --prototxt"),
        (["x.npz", "--recipe", "heads"], 1, "needs its description beside it: x.json"),
        (["x.pth", "--recipe", "heads"], 1, "cannot read x.pth"),
    ],
)
def test_what_cannot_be_imported_is_said_in_a_line(
    hexdet_cli: Callable[..., Any], tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    result = hexdet_cli("import", *arguments, cwd=tmp_path, code=code)
    assert "Traceback" not in result.stderr
    assert message in " ".join(result.stderr.split())
    assert list(tmp_path.iterdir()) == []


def test_pickled_code_is_not_run(hexdet_cli: Callable[..., Any], tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "was-run",))

    torch.save({"weights": Bomb()}, tmp_path / "x.pth")
    result = hexdet_cli("import", tmp_path / "x.pth", "--recipe", "rfb320", code=1)
    assert "can run code and are not loaded" in " ".join(result.stderr.split())
    assert not (tmp_path / "was-run").exists()
