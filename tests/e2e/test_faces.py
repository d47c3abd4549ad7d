"""Faces and their landmarks from the shipped checkpoint to the DLC, through the door."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hexdet.datasets.scenes import Faces
from hexdet.runtime.boxes import iou
from hexdet.runtime.contract import LANDMARKS
from hexdet.training.checkpoint import SHIPPED

Run = Callable[..., subprocess.CompletedProcess[str]]
TEST_IMAGES = 100

pytestmark = pytest.mark.skipif(
    not (SHIPPED / "faces.safetensors").is_file(),
    reason="no checkpoint of faces is shipped: hexdet train faces, then put it there",
)


@pytest.fixture(scope="module")
def faces(hexdet_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle `faces`, checked on two images."""
    build = tmp_path_factory.mktemp("build")
    hexdet_cli(
        "export", "faces", "--build", build, "--check", "2",
        "--set", "calibration.images=16", "--set", f"data.test={TEST_IMAGES}",
    )  # fmt: skip
    return build / "faces"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_the_dlc_has_a_third_kind_of_output(hexdet_cli: Run, faces: Path) -> None:
    levels = read(faces / "detector.json")["levels"]
    assert [v["landmarks"] for v in levels] == ["landmarks_8", "landmarks_16", "landmarks_32"]
    encodings = read(faces / "detector.json")["encodings"]
    info = hexdet_cli("dlc-info", faces / "int8.dlc", "--json").stdout
    for level in levels:
        assert {level[kind] for kind in ("scores", "boxes", "landmarks")} <= set(encodings)
        assert level["landmarks"] in info


def test_every_rung_of_the_ladder_passes_with_it(hexdet_cli: Run, faces: Path) -> None:
    hexdet_cli("parity", faces, "--limit", "1")
    rungs = {rung["key"]: rung for rung in read(faces / "parity.json")["rungs"]}
    for key in ("exported", "float", "int8_cpu", "int8_htp", "int8_dlc"):
        assert rungs[key]["status"] == "passed", rungs[key]
        names = {output["output"] for output in rungs[key]["outputs"]}
        assert names >= {"landmarks_8", "landmarks_16", "landmarks_32"}
    assert max(o["max_codes"] for o in rungs["int8_dlc"]["outputs"]) == 0


def test_the_report_knows_the_error_of_the_landmarks(faces: Path) -> None:
    rows = read(faces / "report.json")["rows"]
    assert [row["key"] for row in rows] == ["float", "int8_cpu", "int8_htp"]
    for row in rows:
        assert row["landmarks"]["faces"] > 0
        assert tuple(row["landmarks"]["points"]) == LANDMARKS
        assert row["landmarks"]["box"] < 0.15
    assert "% of the box" in (faces / "report.html").read_text()


def test_integers_find_the_landmarks_as_well_as_floats(
    hexdet_cli: Run, faces: Path, tmp_path: Path
) -> None:
    errors = {}
    for precision in ("float", "int8"):
        result = hexdet_cli(
            "evaluate", faces, "--backend", "cpu", "--precision", precision, "--json",
            "--results", tmp_path / "results.jsonl",
        )  # fmt: skip
        content = json.loads(result.stdout)
        assert content["images"] == TEST_IMAGES
        errors[precision] = content["landmarks"]["box"]
    assert errors["float"] < 0.08
    assert errors["int8"] < errors["float"] + 0.01


def test_detect_says_and_draws_five_points(hexdet_cli: Run, faces: Path, tmp_path: Path) -> None:
    record = next(r for r in iter_faces() if int((r.annotation.labels == 1).sum()) > 1)
    cv2.imwrite(str(tmp_path / "group.png"), record.image)
    hexdet_cli("detect", faces, tmp_path / "group.png", "--out", tmp_path / "out")
    content = read(tmp_path / "out" / "detections.json")
    (image,) = content["images"]
    truth = record.annotation
    matched = 0
    for row in image["detections"]:
        assert tuple(row["landmarks"]) == LANDMARKS
        overlap = iou(np.asarray([row["box"]], np.float32), truth.boxes)[0]
        if overlap.max() > 0.6:
            points = truth.points()[overlap.argmax()]
            side = np.sqrt(np.prod(np.subtract(row["box"][2:], row["box"][:2])))
            apart = np.linalg.norm(np.asarray(list(row["landmarks"].values())) - points, axis=1)
            matched += int(np.nanmean(apart) < 0.15 * side)
    assert matched >= 1
    drawn = cv2.imread(str(tmp_path / "out" / "group.png.jpg"))
    assert drawn.shape == record.image.shape
    # The nose is drawn white on a dark rim, whatever the skin.
    best = max(image["detections"], key=lambda row: row["score"])
    x, y = (int(v) for v in best["landmarks"]["nose"])
    assert drawn[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].max() > 180


def iter_faces() -> Any:
    """Yield test pictures of the built-in faces."""
    dataset = Faces(split="test", count=20)
    return (dataset[i] for i in range(len(dataset)))
