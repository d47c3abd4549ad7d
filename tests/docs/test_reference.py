"""What the pages say is complete: every key, verb and input, and examples that are valid."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from docs.pages import ROOT, fences, pages
from docs.run_workflow import inputs_of, read_workflow

from hexdet.benchmarks.history import load_expected
from hexdet.cli.app import app
from hexdet.recipe import Recipe, SdkSection, parse_recipe
from hexdet.runtime.contract import DetectorContract, InputSpec, Level, Thresholds, load_contract

DOCS = ROOT / "docs"


def _fence(page: str, language: str) -> str:
    return next(f.code for f in fences(DOCS / page) if f.language == language)


def _table(page: str, heading: str) -> str:
    """Return the text of a page's section."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_key_of_detector_json_is_explained(heads: Path) -> None:
    section = _table("bundle.md", "detector.json")
    named = set(re.findall(r"`([a-z0-9_.\[\]]+)`", section))
    keys = {part for name in named for part in re.split(r"\[\]|\.", name) if part}
    content = json.loads((heads / "detector.json").read_text(encoding="utf-8"))
    assert load_contract(heads)
    fields = {f.name for kind in (DetectorContract, InputSpec, Level, Thresholds)
              for f in dataclasses.fields(kind)}  # fmt: skip
    written = {*content, *content["input"], *content["levels"][0], *content["thresholds"]}
    assert (written | fields) - keys == set()


def _verbs(group: typer.Typer, before: str = "hexdet") -> Iterator[str]:
    for command in group.registered_commands:
        callback: Any = command.callback
        yield f"{before} {command.name or callback.__name__.replace('_', '-')}"
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        # A group without a name is one heading of the help, and no word of the command.
        named = isinstance(inner.name, str)
        yield from _verbs(inner.typer_instance, f"{before} {inner.name}" if named else before)


def test_every_verb_is_documented() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages())
    listed = re.findall(r"`(hexdet(?: bench)?) [\w-]+`((?:, `[\w-]+`)+)", text)
    short = {f"{first} {word}" for first, rest in listed for word in re.findall(r"[\w-]+", rest)}
    verbs = list(_verbs(app))
    assert "hexdet bench adb" in verbs
    assert [v for v in verbs if not re.search(rf"{v}\b", text) and v not in short] == []


def test_the_sdk_section_is_whole_and_shows_the_defaults() -> None:
    content = yaml.safe_load(_fence("sdk.md", "yaml"))
    section = dict(content["export"]["sdk"])
    assert set(section) == set(SdkSection.model_fields)
    assert section.pop("chips") == ["SM8550"]
    assert SdkSection.model_validate(section) == SdkSection()


def test_the_example_of_a_contract_is_the_shipped_one() -> None:
    recipe = parse_recipe(yaml.safe_load(_fence("foreign.md", "yaml")), "foreign.md")
    shipped = (ROOT / "export" / "contracts" / "rfb320.yaml").read_text(encoding="utf-8")
    assert recipe == parse_recipe(yaml.safe_load(shipped), "rfb320.yaml")
    assert isinstance(recipe, Recipe)


def test_the_gate_is_called_with_inputs_that_it_has() -> None:
    job = yaml.safe_load(_fence("ci.md", "yaml"))["jobs"]["int8"]
    gate = read_workflow(ROOT / ".github" / "workflows" / "accuracy-gate.yml")
    assert inputs_of(gate, {name: str(value) for name, value in job["with"].items()})


def test_the_example_of_intervals_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(_fence("benchmarks.md", "json"), encoding="utf-8")
    assert [one.metric for one in load_expected(tmp_path)] == ["macs"]


def test_the_readme_and_the_page_of_figures_agree() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Figures\n")[1]
    values = [line.split("|")[2].strip() for line in text.splitlines() if line.startswith("| `")]
    values += [
        line.split("|")[2].strip() for line in text.splitlines() if line.startswith("| post")
    ]
    page = (DOCS / "figures.md").read_text(encoding="utf-8")
    assert len(values) >= 4
    assert [value for value in values if value not in page] == []


@pytest.mark.parametrize("picture", sorted((DOCS / "plots").glob("*")), ids=lambda p: p.name)
def test_every_picture_is_small_and_shown_with_its_command(picture: Path) -> None:
    assert picture.suffix == ".svg"
    assert picture.stat().st_size < 20_000
    shown = [page for page in pages() if f"plots/{picture.name})" in page.read_text("utf-8")]
    assert shown
    assert all("--plots docs/plots" in page.read_text("utf-8") for page in shown)
