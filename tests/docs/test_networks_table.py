"""The README's table of networks is what `hexdet networks --markdown` prints, in fewer columns."""

from __future__ import annotations

import re

import pytest
from docs.pages import ROOT

from hexdet.export.network_table import markdown, network_rows

LARGE = ("voc_ssd300_vgg16", "voc_ssd512_vgg16")
"""Recipes that take longer to count than all others."""
Rows = list[dict[str, str]]


def _rows(table: str) -> Rows:
    lines = [[cell.strip() for cell in line.strip("| ").split(" |")] for line in table.splitlines()]
    heading, _, *rows = lines
    return [dict(zip(heading, [*row, ""], strict=False)) for row in rows]


def _readme() -> Rows:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return _rows(text[text.index("| network | recipe") :].split("\n\n")[0])


@pytest.mark.parametrize(
    "large", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["small", "large"]
)
def test_the_readme_has_the_command_s_figures(large: bool) -> None:
    shown = [row for row in _readme() if (row["recipe"] in LARGE) == large]
    assert shown
    printed = _rows(markdown(network_rows([row["recipe"] for row in shown])))
    assert shown == [{key: row[key] for key in shown[0]} for row in printed]
    assert set(shown[0]) == {"network", "recipe", "anchors", "parameters", "MACs", "published"}


def test_the_reference_detector_is_in_it() -> None:
    row = next(row for row in _readme() if row["recipe"] == "heads")
    assert re.fullmatch(r"2,750,864, 618 M MACs", row["published"])
    assert (row["parameters"], row["MACs"]) == ("2,750,864", "618,007,664")
