"""`hexdet anchors`: from a recipe's own data to its anchors, in its own file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hexdet.recipe import SHIPPED, load_recipe
from hexdet.runtime.anchors import all_anchors, anchors_sha256
from hexdet.training.contract import contract_of

from ..conftest import Run

MINE = """\
data:
  train: 12   # enough to see something
network:
  anchors:    # all far too wide
    - [[60, 4]]
    - [[120, 8]]
    - [[240, 16]]
    - [[300, 20]]
training: {seed: 7}   # any
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return path


def test_anchors_go_into_the_recipe_and_old_weights_no_longer_fit(
    mine: Path, hexdet_cli: Run, tmp_path: Path
) -> None:
    result = hexdet_cli(
        "anchors", "mine.yaml", "--augmented", "12", "--write", "mine.yaml", "--json", cwd=tmp_path
    )
    found = json.loads(result.stdout)
    recipe = load_recipe(str(mine))
    assert [[list(pair) for pair in level] for level in recipe.network.anchors] == found["after"][
        "levels"
    ]
    assert found["after"]["sha256"] == anchors_sha256(all_anchors(contract_of(recipe)))
    assert found["gain_points"] > 50 and found["gain_is_certain"]
    for line in ("  train: 12   # enough to see something", "training: {seed: 7}   # any"):
        assert line in mine.read_text().splitlines()
    assert "hexdet train mine.yaml" in result.stderr
    folder = tmp_path / "build" / "mine" / "anchors"
    assert sorted(p.name for p in folder.iterdir()) == ["anchors.html", "anchors.json"]
    assert json.loads((folder / "anchors.json").read_text())["after"] == found["after"]

    refused = hexdet_cli(
        "export", mine, "--checkpoint", SHIPPED.parent / "checkpoints" / "heads.safetensors",
        cwd=tmp_path, code=1,
    )  # fmt: skip
    said = " ".join(refused.stderr.split())
    assert "another network.anchors" in said and "Traceback" not in said
    assert "(level 1: 13.9 x 20.8, 22 x 33.1 in the checkpoint, " in said


def test_without_a_file_the_section_is_printed(hexdet_cli: Run, mine: Path, tmp_path: Path) -> None:
    result = hexdet_cli(
        "anchors", mine, "--augmented", "0", "--anchors-per-level", "2", "--method", "statistics",
        "--out", tmp_path / "out", cwd=tmp_path,
    )  # fmt: skip
    assert mine.read_text() == MINE
    section = result.stdout[result.stdout.index("network:\n") :]
    pasted = tmp_path / "pasted.yaml"
    pasted.write_text(section)
    assert [len(level) for level in load_recipe(str(pasted)).network.anchors] == [2, 2, 2, 2]
    assert (tmp_path / "out" / "anchors.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("heads", "--write", str(SHIPPED / "heads.yaml")), 1, "comes with hexdet"),
        (("mine.yaml", "--anchors-per-level", "1,2"), 1, "2 numbers for the 4 levels"),
    ],
)
def test_what_cannot_be_is_refused_in_words(
    arguments: tuple[str, ...], code: int, said: str, mine: Path, hexdet_cli: Run, tmp_path: Path
) -> None:
    result = hexdet_cli("anchors", *arguments, "--augmented", "2", cwd=tmp_path, code=code)
    assert said in " ".join(result.stderr.split()) and "Traceback" not in result.stderr
    assert mine.read_text() == MINE
