"""The report as a whole: its figures fit together, and a stored one is read again."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest

from hexdet.errors import ParityError
from hexdet.evaluation.bootstrap import Interval
from hexdet.quantization.report import inputs, measuring
from hexdet.quantization.report.inputs import load_report
from hexdet.quantization.report.measuring import mix
from hexdet.quantization.report.schema import GRAPHS, Report, Row
from hexdet.quantization.report.verdict import check_verdict, judge, with_budget
from hexdet.recipe import Recipe
from hexdet.runtime.files import to_json
from hexdet.runtime.postprocess import Postprocessor

from ...conftest import CONTRACT
from .conftest import IMAGES, LAYER, VERSIONS, MakeReport


def text(report: Report) -> str:
    return to_json(dataclasses.asdict(report))


def test_equal_graphs_drop_by_exactly_nothing(make: MakeReport) -> None:
    report = make()
    assert report.images == IMAGES and report.objects > 0
    cpu, htp = report.row("int8_cpu"), report.row("int8_htp")
    assert (cpu.ap50, cpu.ap, cpu.detections) == (htp.ap50, htp.ap, htp.detections)
    assert (cpu.voc_ap50, cpu.miss_rate) == (htp.voc_ap50, htp.miss_rate)
    assert 0 <= cpu.voc_ap50 <= 1 and 0 < cpu.miss_rate <= 1
    assert cpu.drop_ap50 == htp.drop_ap50
    assert report.row("float").drop_ap50 is None


def test_the_breakdown_adds_up(make: MakeReport) -> None:
    report = make()
    parts = report.breakdown
    for groups in (parts.classes, parts.sizes, parts.levels):
        assert sum(part.objects for part in groups) == report.objects
    if parts.terciles:
        assert sum(part.objects for part in parts.terciles) == report.objects
    for key in GRAPHS:
        row = report.row(key)
        bands = parts.score_bands
        assert sum(b.hits[key] + b.false_alarms[key] for b in bands) == row.detections
        assert parts.classes[0].ap[key] == pytest.approx(row.per_class_ap50["head"])
        assert parts.ious[0].ap[key] == pytest.approx(row.ap50)
        assert sum(p.ap[key] for p in parts.ious) / 10 == pytest.approx(row.ap)


def test_the_corners_of_the_two_by_two_are_the_rows(make: MakeReport) -> None:
    report = make()
    cells = {(c.scores_from, c.boxes_from): c for c in report.swaps}
    assert len(cells) == 4
    assert cells["float", "float"].ap50 == pytest.approx(report.row("float").ap50)
    assert cells["float", "float"].drop_ap50 == 0
    assert cells["int8_htp", "int8_htp"].drop_ap50 == report.row("int8_htp").drop_ap50


def test_the_mixed_cells_have_the_outputs_of_both(
    make: MakeReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores and boxes are told apart by their dtype on the way into the post-processing."""
    seen: list[tuple[bool, bool]] = []
    plain = Postprocessor.__call__

    def watch(self, outputs, placement, thresholds):  # type: ignore[no-untyped-def]
        exact = self._codes is None
        if exact:
            integer = {k: float(v.max()) for k, v in outputs.items()}
            seen.append((integer["scores_16"] > 1.5, integer["boxes_16"] > 1.5))
        return plain(self, outputs, placement, thresholds)

    monkeypatch.setattr(Postprocessor, "__call__", watch)
    make(limit=1, workers=1)
    # The tiny graphs pass pixels on: up to 1 in the float graph, up to 6 dequantized.
    assert seen == [(False, False), (False, True), (True, False)]


def test_mixing_takes_each_output_from_its_own_run() -> None:
    one, two = ({"scores_16": name, "boxes_16": name} for name in "ab")
    mixed = mix(CONTRACT, scores=one, boxes=two)  # type: ignore[arg-type]
    assert mixed == {"scores_16": "a", "boxes_16": "b"}


def test_the_same_images_give_the_same_report(make: MakeReport) -> None:
    reports = [dataclasses.replace(make(workers=n), rows=[]) for n in (1, 3)]
    assert text(reports[0]) == text(reports[1])


def test_what_was_not_measured_is_null(make: MakeReport) -> None:
    content = json.loads(text(make()))
    assert content["layers"] is None
    assert content["calibration_study"] is None
    assert content["encodings"] is None


def test_layers_are_kept_as_they_are_given(make: MakeReport) -> None:
    layers = [LAYER, dataclasses.replace(LAYER, node="other")]
    assert make(layers=layers).layers == layers


def test_a_study_quantizes_for_every_count_and_seed(make: MakeReport, bundle: Path) -> None:
    asked: list[tuple[int, int]] = []

    def requantize(count: int, seed: int) -> Path:
        asked.append((count, seed))
        return bundle

    study = make(requantize=requantize).calibration_study
    assert study is not None and study.images == IMAGES
    assert asked == [(4, seed) for seed in range(5)]  # there are four training images
    (point,) = study.points
    assert point.drops == [make().row("int8_cpu").drop_ap50] * 5


def test_a_stored_report_is_read_again(make: MakeReport, bundle: Path, recipe: Recipe) -> None:
    report = make(layers=[LAYER])
    report.save(bundle)
    again = load_report(bundle, recipe, VERSIONS)
    assert again is not None and text(again) == text(report)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: {**content, "schema": 1},
        lambda content: {k: v for k, v in content.items() if k != "schema"},
        lambda content: {**content, "rows": [{"key": "float"}]},
        lambda content: {**content, "inputs": {}},
        lambda content: [],
    ],
    ids=["old", "no schema", "other rows", "other inputs", "no object"],
)
def test_another_report_is_none_at_all(
    make: MakeReport, bundle: Path, recipe: Recipe, change
) -> None:
    path = make().save(bundle)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    assert load_report(bundle, recipe, VERSIONS) is None


def test_a_missing_or_damaged_report_is_none(bundle: Path, recipe: Recipe) -> None:
    assert load_report(bundle, recipe, VERSIONS) is None
    (bundle / "report.json").write_text("{")
    assert load_report(bundle, recipe, VERSIONS) is None


def test_a_changed_graph_makes_it_stale_and_a_changed_budget_judges_anew(
    make: MakeReport, bundle: Path, recipe: Recipe
) -> None:
    make().save(bundle)
    section = recipe.evaluation.model_copy(update={"max_drop": 77.0})
    other = load_report(bundle, recipe.model_copy(update={"evaluation": section}), VERSIONS)
    assert other is not None and other.verdict.budget == 77.0
    (bundle / "int8.onnx").write_bytes((bundle / "int8.onnx").read_bytes() + b" ")
    assert load_report(bundle, recipe, VERSIONS) is None


def row(drop: float, low: float, high: float) -> Row:
    return Row(
        key="int8_htp", backend="", ap50=0.5, ap=0.5, voc_ap50=0.5, miss_rate=0.5,
        ap50_interval=None,
        drop_ap50=drop, drop_ap50_interval=Interval(low=low, high=high),
        drop_ap=0.0, drop_ap_interval=None, per_class_ap50={}, per_class_ap={},
        detections=0, seconds=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("drop", "low", "high", "images", "status", "words"),
    [
        (0.1, -0.1, 0.3, 72, "kept", "loses 0.10 points"),
        (-0.2, -0.6, 0.1, 72, "kept", "gains 0.20 points of AP@0.5"),
        (-0.004, -0.1, 0.1, 72, "kept", "loses no point of AP@0.5"),
        (0.5, 0.4, 0.5, 72, "kept", "within the budget of 0.5."),
        (0.1, -0.1, 0.6, 72, "not certain", "do not settle it"),
        (0.1, -0.1, 0.3, 24, "not certain", "do not settle it"),
        (0.6, 0.4, 0.8, 72, "missed", "is missed, but so few images do not settle it"),
        (0.9, 0.6, 1.2, 72, "missed", "the budget of 0.5 is missed."),
    ],
)
def test_the_verdict(
    drop: float, low: float, high: float, images: int, status: str, words: str
) -> None:
    verdict = judge(row(drop, low, high), budget=0.5, arch=73, images=images)
    assert verdict.status == status
    assert words in verdict.sentence


def test_nothing_to_score_is_not_measured() -> None:
    verdict = judge(row(math.nan, 0, 0), budget=0.5, arch=73, images=72)
    assert verdict.status == "not measured"


def test_a_missed_budget_is_a_gate(make: MakeReport) -> None:
    report = make()
    check_verdict(with_budget(report, 100.0))
    missed = dataclasses.replace(report, rows=[*report.rows[:2], row(2.0, 1.0, 3.0)])
    with pytest.raises(ParityError, match="the budget of 1 is missed"):
        check_verdict(with_budget(missed, 1.0))
    assert ParityError.exit_code == 3


def test_the_names_the_tests_replace_are_there() -> None:
    assert measuring.HtpBackend.__name__ == "HtpBackend"
    assert inputs.FILE_NAME == "report.json"
