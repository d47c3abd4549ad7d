"""Scoring through the door: the figures, an operating point, curves, and real detections."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hexdet.benchmarks.metrics import largest_difference, prepare_reference, run_reference
from hexdet.datasets.scenes import Scenes
from hexdet.evaluation.coco_metrics import coco_metrics
from hexdet.evaluation.matching import overlaps_of
from hexdet.runtime.detector import Detector

Run = Callable[..., subprocess.CompletedProcess[str]]
IMAGES = "4"


def test_every_figure_is_in_the_json(hexdet_cli: Run, heads: Path) -> None:
    content = json.loads(hexdet_cli("evaluate", heads, "--limit", IMAGES, "--json").stdout)
    assert content["images"] == int(IMAGES)
    assert content["coco"]["ap50"] == pytest.approx(content["ap50"], abs=1e-9)
    assert content["coco"]["ap"] == pytest.approx(content["ap"], abs=1e-9)
    for name in ("voc07", "voc", "mr", "mr_crowdhuman"):
        assert 0 <= content[name]["mean"] <= 1
        assert list(content[name]["per_class"]) == ["head"]
    point = content["operating_points"]["head"]
    assert point == content["operating_point"]
    assert (
        point["score"] == json.loads((heads / "detector.json").read_text())["thresholds"]["score"]
    )
    assert point["miss_rate"] == pytest.approx(1 - point["hits"] / point["objects"])
    assert point["objects"] == content["objects"]


def test_tables_and_curves(hexdet_cli: Run, heads: Path, tmp_path: Path) -> None:
    result = hexdet_cli("evaluate", heads, "--limit", IMAGES, "--fppi", "0.5", "--plots", tmp_path)
    assert f"{IMAGES} of 200 images: AP@0.5 " in result.stdout
    for heading in ("100 det.", "VOC07", "MR\u207b\u00b2", "FPPI"):
        assert heading in result.stdout
    for name in ("pr.svg", "mr_fppi.svg"):
        root = ElementTree.fromstring((tmp_path / name).read_text())
        assert len(root.findall(".//{http://www.w3.org/2000/svg}polyline")) == 1
    curve = json.loads((tmp_path / "curves.json").read_text())["classes"]["head"]
    at = max(i for i, fppi in enumerate(curve["fppi"]) if fppi <= 0.5)
    assert f"{curve['miss_rate'][at]:.4f}" in result.stdout
    # The score that the table names does what the table says.
    again = hexdet_cli(
        "evaluate", heads, "--limit", IMAGES, "--metric", "mr", "--json",
        "--operating-point", str(curve["score"][at]),
    )  # fmt: skip
    content = json.loads(again.stdout)
    assert content["operating_point"]["miss_rate"] == pytest.approx(
        curve["miss_rate"][at], abs=1e-6
    )
    assert content["operating_point"]["fppi"] == pytest.approx(curve["fppi"][at], abs=1e-6)
    assert "coco" not in content and "voc" not in content


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--fppi", "1", "--operating-point", "0.5"), "exclude each other"),
        (("--operating-point", "0.001"), "evaluation.score"),
        (("--operating-point", "2"), "less than or equal"),
        (("--metric", "accuracy"), "voc07"),
    ],
)
def test_what_makes_no_sense_is_refused(
    hexdet_cli: Run, heads: Path, options: tuple[str, ...], said: str
) -> None:
    assert said in hexdet_cli("evaluate", heads, "--limit", "1", *options, code=2).stderr


def test_real_detections_have_pycocotools_figures(heads: Path) -> None:
    dataset = Scenes(split="test", count=200, seed=0)
    truths, found = [], []
    with Detector.load(heads, backend="cpu", precision="int8") as detector:
        thresholds = replace(detector.contract.thresholds, score=0.01)
        for index in range(12):
            record = dataset[index]
            truths.append(record.annotation)
            found.append(detector(record.image, thresholds=thresholds))
    assert sum(len(d) for d in found) > 100
    ours = coco_metrics(overlaps_of(truths, found), dataset.classes)
    reference = run_reference(prepare_reference(truths, found, dataset.classes))
    assert ours.ap50 > 0.5
    assert largest_difference(ours, reference) <= 1e-6


def test_the_ap_of_a_whole_split_is_remembered(
    hexdet_cli: Run, heads: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "results.jsonl"
    hexdet_cli("evaluate", heads, "--limit", IMAGES, "--results", kept)
    assert not kept.exists()
    found = json.loads(
        hexdet_cli("evaluate", heads, "--split", "val", "--results", kept, "--json").stdout
    )
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(r["artifact"], r["target"], r["metric"], r["n"]) for r in rows] == [
        ("heads/int8.onnx", "", metric, found["images"]) for metric in ("ap50_val", "ap_val")
    ]
    assert [r["value"] for r in rows] == [found["ap50"], found["ap"]]
