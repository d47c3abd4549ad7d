"""The drawings are whole documents, and every point is where its value belongs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hexdet.evaluation.average_precision import best_precision, eleven_point, interpolated
from hexdet.evaluation.curves import RECALLS, Ranking
from hexdet.evaluation.miss_rate import FPPI_POINTS, miss_rates
from hexdet.evaluation.operating_points import ThresholdCurve, at_score
from hexdet.evaluation.pages.axes import Scale, polyline
from hexdet.evaluation.plots import (
    HEIGHT,
    SHOWN_CLASSES,
    WIDTH,
    columns,
    miss_plot,
    precision_plot,
    render,
    save_plots,
)

from .conftest import made, random_case, ranking_of

SVG = "{http://www.w3.org/2000/svg}"


def places(points: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in points.split())]


def test_an_axis_is_even_or_logarithmic_and_has_ends() -> None:
    even = Scale(low=0.0, high=1.0, start=100.0, end=0.0)
    assert [even.at(v) for v in (-1, 0, 0.25, 1, 2)] == [100, 100, 75, 0, 0]
    assert math.isnan(even.at(math.nan))
    log = Scale(low=0.01, high=1.0, start=0.0, end=200.0, log=True)
    assert [round(log.at(v), 6) for v in (0.0, 0.01, 0.1, 1.0)] == [0, 0, 100, 200]
    assert polyline(even, even, [(0.0, 1.0), (math.nan, 1.0), (1.0, 0.5)]) == "100.0,0.0 0.0,50.0"
    assert polyline(even, even, []) == ""


def test_without_objects_the_drawings_say_so(tmp_path: Path) -> None:
    for path in save_plots(tmp_path, {"head": made([], [0.5], objects=0)}, {}, title="none")[:2]:
        root = ElementTree.fromstring(path.read_text())
        assert not root.findall(f".//{SVG}polyline")
        assert any("no object" in (e.text or "") for e in root.iter(f"{SVG}text"))


def test_names_are_escaped_and_shortened(tmp_path: Path) -> None:
    name = "<script>&\"'" + "x" * 40
    paths = save_plots(tmp_path, {name: made([0.9], [0.8])}, {}, title="a & b <c>")
    for path in paths[:2]:
        texts = [e.text or "" for e in ElementTree.fromstring(path.read_text()).iter(f"{SVG}text")]
        assert "a & b <c>" in texts
        assert any(text.startswith("<script>&\"'") and text.endswith("\u2026") for text in texts)
    assert list(json.loads(paths[2].read_text())["classes"]) == [name]


def test_the_drawing_needs_nothing_else_and_knows_the_dark() -> None:
    text = render(precision_plot({"head": made([0.9], [0.8])}, {}, "t"))
    assert "prefers-color-scheme: dark" in text
    assert "href" not in text and "url(" not in text
    root = ElementTree.fromstring(text)
    assert (root.get("role"), root.get("aria-label", "")[:3]) == ("img", "t: ")


def test_every_class_has_a_line_and_those_with_fewest_objects_are_left_to_the_columns() -> None:
    rankings = {f"class {n}": made([0.9], [], objects=n + 1) for n in range(SHOWN_CLASSES + 3)}
    plot = miss_plot(rankings, {}, "many")
    assert [line.name for line in plot.lines] == list(rankings)[3:]
    assert plot.hidden == 3
    assert len({(line.colour, line.dashed) for line in plot.lines}) == SHOWN_CLASSES
    assert "and 3 more in curves.json" in render(plot)
    assert len(columns(rankings, "many")["classes"]) == SHOWN_CLASSES + 3


def test_the_precision_curve_is_what_the_metrics_read() -> None:
    ranking = ranking_of(*random_case(4, images=30))
    (line,) = precision_plot({"head": ranking}, {}, "t").lines
    drawn = places(line.points)
    assert (drawn[0][0], drawn[-1][0]) == (0, WIDTH)
    read = best_precision(ranking, np.linspace(0, 1, WIDTH + 1))
    np.testing.assert_allclose([HEIGHT * (1 - v) for v in read], [y for _, y in drawn], atol=0.06)
    assert best_precision(ranking, RECALLS).mean() == pytest.approx(interpolated(ranking))
    # Tenths that no floating product moved: what VOC 2007 means.
    tenths = np.asarray([k / 10 for k in range(11)])
    assert best_precision(ranking, tenths).mean() == pytest.approx(eleven_point(ranking), abs=0.05)


def test_the_nine_dots_lie_on_the_miss_rate_curve() -> None:
    ranking = ranking_of(*random_case(5, images=60))
    plot = miss_plot({"head": ranking}, {}, "t")
    (line,) = plot.lines
    assert len(line.references) == 9
    bottom = min(v for v, label in [(float(t), t) for _, t in plot.y_ticks])
    rates = miss_rates(ranking, FPPI_POINTS)
    for (x, y), fppi, rate in zip(line.references, FPPI_POINTS, rates, strict=True):
        assert x == pytest.approx(WIDTH * math.log10(fppi / 0.003) / math.log10(10 / 0.003))
        assert y == pytest.approx(HEIGHT * math.log10(rate) / math.log10(bottom), abs=1e-6)


def test_the_curve_ends_where_its_last_false_alarm_is() -> None:
    ranking = made([0.9, 0.5], [0.7, 0.6])  # two alarms on a hundred images: 0.02
    (line,) = miss_plot({"head": ranking}, {}, "t").lines
    end = places(line.points)[-1][0]
    assert end == pytest.approx(WIDTH * math.log10(0.02 / 0.003) / math.log10(10 / 0.003), abs=1)
    assert line.references[-1][0] > end


def test_the_operating_point_is_marked_where_it_is() -> None:
    ranking = made([0.9, 0.6, 0.5], [0.7])
    points = {"head": at_score(ranking, 0.6)}
    plot = precision_plot({"head": ranking}, points, "t")
    assert plot.lines[0].at == pytest.approx((WIDTH * 2 / 4, HEIGHT * (1 - 2 / 3)))
    assert plot.marked == "at score 0.6"
    assert "at score 0.6" in render(plot)
    nothing = {"head": at_score(ranking, 0.95)}  # nothing is shown: no precision
    assert precision_plot({"head": ranking}, nothing, "t").lines[0].at is None


@pytest.mark.parametrize("ranking", [made([], []), made([0.9, 0.4], [0.6, 0.6, 0.2])])
def test_the_columns_hold_every_threshold(tmp_path: Path, ranking: Ranking) -> None:
    path = save_plots(tmp_path, {"head": ranking}, {}, title="t")[2]
    content = json.loads(path.read_text())
    assert content["fppi_points"] == pytest.approx(FPPI_POINTS.tolist())
    head = content["classes"]["head"]
    curve = ThresholdCurve.of(ranking)
    assert (head["objects"], head["images"]) == (4, 100)
    assert head["score"] == pytest.approx(curve.score.tolist())
    for name in ("precision", "fppi", "miss_rate"):
        assert head[name] == pytest.approx(getattr(curve, name).tolist())
    assert head["recall"] == pytest.approx([1 - v for v in head["miss_rate"]])
    assert len(head["miss_rate_at_points"]) == 9
