"""The page: nothing fetched, nothing unescaped, nothing wider than a phone."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, sync_playwright

from hexdet.datasets.scenes import Scenes
from hexdet.evaluation.bootstrap import Interval
from hexdet.evaluation.flips import Flip
from hexdet.quantization.report.charts import axis_of
from hexdet.quantization.report.page import render, save_page, save_report
from hexdet.quantization.report.schema import (
    CalibrationStudy,
    Encodings,
    OutputEncoding,
    Part,
    Placement,
    Report,
    StudyPoint,
)
from hexdet.quantization.report.thumbnails import SIDE_PX, crop, draw_thumbnails

from .conftest import LAYER, MakeReport

NASTY = "<script>alert('&')</script>"
LONG = "/network/features/" + "a_very_long_name_without_any_place_to_break" * 4
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


def flip(image: int = 0, box: tuple[float, float, float, float] = (10, 10, 60, 50)) -> Flip:
    return Flip(
        kind="lost", image=image, label=1, box=box, truth=(12, 8, 62, 52),
        reference_score=0.6, other_score=0.0, change=0.6,
    )  # fmt: skip


@pytest.fixture
def full(make: MakeReport) -> Report:
    """A report in which every part is there, and every name from outside is hostile."""
    report = make()
    layer = dataclasses.replace(LAYER, node=LONG, operator=NASTY, advice=NASTY)
    part = Part(
        name=NASTY, bounds=NASTY, objects=3, ap=dict.fromkeys(report.breakdown.classes[0].ap, 0.5),
        drop={"int8_cpu": 1.0, "int8_htp": 2.0}, drop_interval=Interval(low=-40.0, high=90.0),
    )  # fmt: skip
    curve = next(iter(report.curves.values())) or dict.fromkeys(part.ap, [1.0] * 101)
    return dataclasses.replace(
        report,
        name=NASTY,
        classes=[NASTY],
        dataset=LONG,
        curves={NASTY: curve},
        breakdown=dataclasses.replace(report.breakdown, classes=[part], terciles=[part]),
        flips=dataclasses.replace(
            report.flips, worst=[flip(), flip()], image_names=[NASTY, LONG], scores={NASTY: 0.3}
        ),
        layers=[layer] * 20,
        calibration_study=CalibrationStudy(
            images=9, points=[StudyPoint(count=16, seeds=[0, 1], drops=[0.1, float("nan")])]
        ),
        encodings=Encodings(
            activations=3, parameters=4, per_channel=2, bits={"8 bits": 3},
            outputs=[OutputEncoding(name=LONG, scale=0.1, zero_point=3, low=-0.3, high=25.2)],
        ),
        dropped=[{"image": NASTY, "reason": NASTY, "detail": NASTY}],
        versions={NASTY: LONG},
        placement=Placement(
            operators={NASTY: 3},
            audit=NASTY,
            remarks=[{"level": "note", "rule": NASTY, "subject": LONG, "reason": NASTY}],
        ),
    )  # fmt: skip


def test_every_text_from_outside_is_escaped(full: Report) -> None:
    page = render(full)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") > 15


def test_nothing_is_fetched_and_no_script_runs(full: Report) -> None:
    page = render(full, ["data:image/jpeg;base64,AAAA"] * 2)
    sources = re.findall(r"""(?:src|href|action|data)\s*=\s*["']([^"']*)""", page)
    assert set(sources) == {"data:image/jpeg;base64,AAAA"}
    for forbidden in ("url(", "@import", "<script", "<link", "<iframe", "//"):
        assert forbidden not in page.replace(LONG, "")


def test_what_was_not_measured_says_so(make: MakeReport) -> None:
    page = render(make())
    assert page.count("Not measured") >= 2
    assert "--calibration-study" in page
    assert "Encoding audit: not run" in page
    assert "no encodings.json" in page


@pytest.mark.parametrize("status", ["kept", "not certain", "missed", "not measured"])
def test_the_verdict_is_in_words_and_not_in_colour_alone(make: MakeReport, status: str) -> None:
    report = make()
    verdict = dataclasses.replace(report.verdict, status=status)
    page = render(dataclasses.replace(report, verdict=verdict))
    badge = re.search(r'<div class="verdict ([a-z-]+)"><b>(.+?)</b>', page)
    assert badge is not None
    assert badge[1] == status.replace(" ", "-")
    assert any(word in badge[2] for word in ("budget", "not measured"))


def test_a_page_without_any_object(make: MakeReport) -> None:
    report = make()
    nan = float("nan")
    rows = [
        dataclasses.replace(
            row, ap50=nan, ap=nan, drop_ap50=None if row.key == "float" else nan, drop_ap=None,
            ap50_interval=None, drop_ap50_interval=None, drop_ap_interval=None,
        )
        for row in report.rows
    ]  # fmt: skip
    empty = [dataclasses.replace(p, objects=0, drop_interval=None) for p in report.breakdown.sizes]
    page = render(
        dataclasses.replace(
            report,
            rows=rows,
            breakdown=dataclasses.replace(report.breakdown, classes=empty),
            swaps=[dataclasses.replace(s, drop_ap50=nan, drop_ap=nan) for s in report.swaps],
        )
    )
    assert "no object" in page
    assert "Nothing to score." in page
    assert ">nan" not in page


def test_both_files_are_written_with_their_pictures(make: MakeReport, tmp_path: Path) -> None:
    report = make()
    flips = dataclasses.replace(report.flips, worst=[flip()], image_names=["a scene"])
    dataset = Scenes(split="test", count=4, seed=0)
    save_report(dataclasses.replace(report, flips=flips), tmp_path, dataset)
    assert (tmp_path / "report.json").is_file()
    assert (tmp_path / "report.html").read_text().count("data:image/jpeg;base64,") == 1


def test_a_thumbnail_is_drawn_for_every_flip_in_its_order() -> None:
    dataset = Scenes(split="test", count=4, seed=0)
    flips = [flip(image=2), flip(image=0), flip(image=2)]
    pictures = draw_thumbnails(dataset, flips)
    assert pictures[0] == pictures[2] != pictures[1]
    assert all(p.startswith("data:image/jpeg;base64,") for p in pictures)


@pytest.mark.parametrize(
    "box", [(0, 0, 4, 4), (90, 70, 100, 80), (0, 0, 100, 80), (50, 40, 51, 90)]
)
@pytest.mark.parametrize("size", [(80, 100), (8, 6)])
def test_a_thumbnail_has_its_size_wherever_the_box_lies(
    box: tuple[float, float, float, float], size: tuple[int, int]
) -> None:
    picture = np.full((*size, 3), 200, np.uint8)
    assert crop(picture, flip(box=box)).shape == (SIDE_PX, SIDE_PX, 3)


def test_a_thumbnail_shows_the_image_alone_where_it_can() -> None:
    picture = np.full((300, 400, 3), 200, np.uint8)
    shown = crop(picture, dataclasses.replace(flip(box=(0, 0, 30, 30)), truth=None))
    assert not (shown == 128).all(axis=2).any()  # no grey from beyond the border


@pytest.mark.parametrize(
    "values", [[], [0.0], [0.01], [-3.0, 8.0], [1e6], [float("nan")], [-0.31, 0.02]]
)
def test_an_axis_holds_zero_and_its_values(values: list[float]) -> None:
    axis = axis_of(values)
    assert axis.low <= 0 <= axis.high and 0 in axis.ticks
    assert 3 <= len(axis.ticks) <= 7
    assert all(0 <= axis.x(v) <= 100 for v in [*values, 0.0] if v == v)
    assert axis.x(axis.low) == 0 and axis.x(axis.high) == 100


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    with sync_playwright() as playwright:
        # Without the sandbox it also starts for root, in a container.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_is_wider_than_the_window(
    browser: Browser, full: Report, tmp_path: Path, width: int
) -> None:
    path = save_page(full, tmp_path)
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(path.resolve().as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_light_and_dark_follow_the_reader(browser: Browser, full: Report, tmp_path: Path) -> None:
    path = save_page(full, tmp_path)
    found = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(path.resolve().as_uri())
        found[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.close()
    assert found == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}


def test_what_a_stand_in_made_stands_under_the_headline(make: MakeReport) -> None:
    row = {
        "chip": "SM8550", "file": "sdk/SM8550/int8.dlc", "made_by": NASTY, "encodings": "ours",
        "preparation": "cache", "held": "all ours", "stand_in": "no",
    }  # fmt: skip
    words = "Made with a stand-in, not with Qualcomm&#39;s SDK"
    for stand_in, said in (("no", False), ("yes", True)):
        placement = Placement(sdk=[{**row, "stand_in": stand_in}])
        page = render(dataclasses.replace(make(), placement=placement), {})
        assert (words in page or words.replace("&#39;", "'") in page) == said
        assert "sdk/SM8550/int8.dlc" in page and NASTY not in page
