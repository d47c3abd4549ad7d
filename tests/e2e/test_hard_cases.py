"""Trained networks of other people, through the door and measured: they keep what they could do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import onnx
import pytest

import hexdet
from hexdet.benchmarks.hard_cases import (
    PUBLISHED_PERSON_AP,
    Fidelity,
    Score,
    describe,
    measure_faces,
    measure_persons,
)
from hexdet.runtime.contract import load_contract

Run = Callable[..., CompletedProcess[str]]

DATA = Path(os.environ.get("HEXDET_DATA") or "data")
MODELS = DATA.parent / "models"
PERSONS = MODELS / "ssd_mobilenet_v1_coco" / "detect.tflite"
FACES = MODELS / "ultra_light_face" / "version-RFB-320.onnx"
CONTRACT = Path(hexdet.__file__).parent / "export/contracts/coco_ssd_mobilenet_v1.yaml"

needs_persons = pytest.mark.skipif(
    not (PERSONS.is_file() and all((DATA / d).is_dir() for d in ("photos", "voc2012_100"))),
    reason=f"no person detector at {PERSONS}, or no photos and voc2012_100 in {DATA}",
)
needs_faces = pytest.mark.skipif(
    not (FACES.is_file() and all((DATA / d).is_dir() for d in ("photos", "voc2012_100"))),
    reason=f"no face detector at {FACES}, or no photos and voc2012_100 in {DATA}",
)


@pytest.fixture(scope="module")
def persons(hexdet_cli: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of the imported person detector."""
    build = tmp_path_factory.mktemp("build")
    result = hexdet_cli(
        "export", "--tflite", PERSONS, "--contract", CONTRACT, "--build", build, "--check", "0"
    )
    assert "19 classes that the recipe leaves out: aeroplane, " in result.stderr + result.stdout
    assert "agree" in result.stderr + result.stdout  # the audit's line
    return build / "coco_person"


@needs_persons
def test_the_import_is_a_whole_bundle(persons: Path) -> None:
    for name in ("float.onnx", "int8.onnx", "float.dlc", "int8.dlc", "encodings.json"):
        assert (persons / name).stat().st_size > 0
    contract = load_contract(persons)
    assert contract.classes == ("person",)
    assert contract.anchor_count == 1917
    operators = {n.op_type for n in onnx.load(persons / "float.onnx").graph.node}
    assert operators == {"Conv", "Clip", "Transpose"}
    sources = json.loads((persons / "manifest.json").read_text())["sources"]
    assert sources.keys() == {"tflite", "labelmap.txt"}
    # Calibrated on photographs, scored on others.
    assert json.loads((persons / "calibration.json").read_text())["dataset"] == "photos"


@needs_persons
def test_weights_and_ranges_are_those_of_the_file(persons: Path) -> None:
    described = json.loads((PERSONS.parent / "detect.json").read_text())["ops"]
    encodings = json.loads((persons / "encodings.json").read_text())["activation_encodings"]
    checked = 0
    for operator in described:
        name = operator["out_name"]
        if name.endswith("Relu6") and operator["act"] is None:
            assert encodings[name][0]["scale"] == pytest.approx(operator["out_scale"], rel=1e-5)
            assert encodings[name][0]["offset"] == -operator["out_zp"]
            checked += 1
    assert checked == 27
    contract = load_contract(persons)
    heads = [o for o in described if "ClassPredictor" in o["out_name"]]
    for level, operator in zip(contract.levels, heads, strict=True):
        scale = contract.encodings[level.scores].scale
        assert scale == pytest.approx(operator["out_scale"], rel=1e-5)


@needs_persons
@pytest.mark.parametrize(("precision", "near"), [("float", 0.01), ("int8", 0.015)])
def test_the_published_score_is_kept(
    hexdet_cli: Run, persons: Path, precision: str, near: float, tmp_path: Path
) -> None:
    kept = tmp_path / "results.jsonl"
    result = hexdet_cli("evaluate", persons, "--precision", precision, "--json", "--results", kept)
    score = json.loads(result.stdout)
    print(f"{precision}: person AP@0.5 {score['ap50']:.4f}, published {PUBLISHED_PERSON_AP}")
    assert score["objects"] == 80
    assert abs(score["ap50"] - PUBLISHED_PERSON_AP) <= near


@needs_persons
def test_every_rung_that_it_has_is_passed(hexdet_cli: Run, persons: Path) -> None:
    hexdet_cli("parity", persons, "--limit", "2")
    ladder = json.loads((persons / "parity.json").read_text())
    status = {rung["key"]: rung["status"] for rung in ladder["rungs"]}
    assert status == {
        "torch": "not run",
        "exported": "not run",
        "float": "reference",
        "int8_cpu": "passed",
        "int8_htp": "passed",
        "int8_dlc": "passed",
        "device": "not run",
    }


@needs_persons
@pytest.mark.slow
def test_the_table_of_persons(tmp_path: Path) -> None:
    scores = measure_persons(tmp_path)
    print(describe(scores, []))
    float_score, on_cpu, on_htp = scores
    assert abs(float_score.area_ap50 - PUBLISHED_PERSON_AP) <= 0.01
    assert on_cpu.drop is not None and on_htp.drop is not None
    # Points: 80 objects, one of which is 1.25 points of recall.
    assert on_cpu.drop <= 1.25
    assert on_htp.drop <= 2.5


@needs_faces
@pytest.mark.slow
def test_the_table_of_faces(tmp_path: Path) -> None:
    rows = measure_faces(tmp_path)
    print(describe([], rows))
    for row in rows:
        assert row.faces >= 50
        assert row.found / row.faces >= 0.97


def test_the_table_is_text() -> None:
    table = describe(
        [
            Score(backend="float", area_ap50=0.73, ap50=0.74, drop=None),
            Score(backend="int8", area_ap50=0.72, ap50=0.73, drop=1.0),
        ],
        [Fidelity(backend="int8", score=0.6, found=59, faces=60)],
    )
    assert "0.7290" in table
    assert "+1.00" in table
    assert "59 of 60 from 0.6 up" in table


def test_a_network_of_ours_brings_no_trained_ranges(hexdet_cli: Run, tmp_path: Path) -> None:
    result = hexdet_cli(
        "export", "heads", "--build", tmp_path, "--check", "0", "--set", "calibration.images=2",
        "--set", "quantization.ranges=trained", code=1,
    )  # fmt: skip
    assert "brings no trained ranges" in result.stderr
