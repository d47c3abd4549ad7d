"""The inspection's page: nothing fetched, nothing unescaped, nothing wider than a phone."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, sync_playwright

from hexdet.datasets.faults import Faults
from hexdet.evaluation.inspection.charts import HEIGHT, WIDTH, chart
from hexdet.evaluation.inspection.counting import Subject, inspect_dataset
from hexdet.evaluation.inspection.page import render, save_page
from hexdet.evaluation.inspection.schema import Defect, Histogram, Inspection
from hexdet.evaluation.inspection.sheet import draw_tiles
from hexdet.runtime.contract import InputSpec

from .conftest import Pictures, truth_of

NASTY = "<script>alert('&')</script>"
LONG = "a_very_long_name_without_any_place_to_break/" * 6
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ANCHORS = [[(10.0, 15.0)], [(40.0, 60.0)]]


@pytest.fixture
def whole() -> tuple[Inspection, list[np.ndarray]]:
    """An inspection in which every part is there, and every name from outside is hostile."""
    truth = truth_of([(5, 5, 25, 30), (5, 5, 25, 30.5), (60, 10, 70, 30)], [1, 1, 2])
    pictures = Pictures([truth, truth_of([]), None], (NASTY, "person"))
    subject = Subject(
        recipe=NASTY, format="voc", split="train", input=InputSpec(width=300, height=300)
    )
    found, looks = inspect_dataset(pictures, subject, Faults(keep=True))
    more = [Defect(kind="zero area", image=LONG, detail=NASTY + LONG) for _ in range(150)]
    found = dataclasses.replace(
        found,
        defects=found.defects + more,
        defect_counts={**found.defect_counts, "zero area": len(more)},
    )
    return found, draw_tiles(pictures, looks)


Whole = tuple[Inspection, list[np.ndarray]]


def test_nothing_is_fetched_and_nothing_from_outside_is_markup(whole: Whole) -> None:
    page = render(*whole, ANCHORS)
    assert NASTY not in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:image/jpeg;base64,)", page)
    assert "url(" not in page
    assert page.count("<img") == len(whole[1])
    assert page.count('class="anchor"') == 4  # in the chart of sizes and in that of ratios


def test_a_long_list_is_cut_and_says_so(whole: Whole) -> None:
    page = render(*whole, ANCHORS)
    assert "And 50 more: inspect.json lists them all." in page


def test_a_page_of_nothing_is_rendered() -> None:
    subject = Subject(
        recipe="r", format="voc", split="test", input=InputSpec(width=300, height=300)
    )
    found, _ = inspect_dataset(Pictures([None]), subject, Faults(keep=True))
    page = render(found, [], [])
    assert "There is nothing to learn" in page


def test_the_json_is_what_the_classes_say(whole: Whole, tmp_path: Path) -> None:
    path = whole[0].save(tmp_path)
    content = json.loads(path.read_text())
    assert content["schema"] == 1
    assert set(content) == {field.name for field in dataclasses.fields(Inspection)}
    assert content["defects"][0] == dataclasses.asdict(whole[0].defects[0])


@given(
    st.lists(st.lists(st.integers(0, 10_000), min_size=5, max_size=5), min_size=1, max_size=3),
    st.booleans(),
)
def test_bars_are_as_high_as_their_counts_and_stay_in_the_drawing(
    rows: list[list[int]], log: bool
) -> None:
    counts = {str(i): row for i, row in enumerate(rows)}
    drawn = chart(Histogram(edges=[1, 2, 4, 8, 16, 32], counts=counts), [], log=log)
    most = float(drawn.lines[-1][1].replace(",", ""))
    assert most >= max(map(sum, zip(*rows, strict=True)))
    assert len(drawn.lines) <= 6
    assert [line[1] for line in drawn.lines] == sorted(
        {line[1] for line in drawn.lines}, key=lambda text: float(text.replace(",", ""))
    )
    total = sum(map(sum, rows))
    assert sum(bar.height for bar in drawn.bars) * most / HEIGHT == pytest.approx(
        total, abs=0.01 * most
    )
    for bar in drawn.bars:
        assert bar.x >= 0
        assert bar.x + bar.width <= WIDTH + 1e-6
        assert bar.y >= -0.01
        assert bar.y + bar.height <= HEIGHT + 0.02


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: apt install chromium")
    with sync_playwright() as playwright:
        # Without the sandbox it also starts for root, in a container.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_nothing_is_wider_than_the_window_and_colours_follow_the_reader(
    browser: Browser, whole: Whole, tmp_path: Path
) -> None:
    path = save_page(*whole, ANCHORS, tmp_path)
    papers = set()
    for width, scheme in ((320, "light"), (390, "dark"), (1200, "light")):
        page = browser.new_page(
            viewport={"width": width, "height": 800},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        papers.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert len(papers) == 2
