"""Anchors go into the user's own recipe, whole or not at all, and never into a shipped one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hexdet.errors import RecipeError
from hexdet.recipe import SHIPPED, load_recipe, shipped_recipes
from hexdet.training.anchor_fitting.recipe_file import write_anchors

NEW = [((10.5, 12.0),), ((20.0, 22.0), (30.0, 33.0)), ((60.0, 66.0),), ((120.0, 132.5),)]
OURS = """\
# Ours.
data:
  train: 40   # few
network:
  fit: letterbox
  anchors:
    - [[9, 9]]
    - [[19, 19]]
    - [[59, 59]]
    - [[119, 119]]
training: {epochs: 3}
"""
ALIASED = OURS.replace("[[9, 9]]", "[[&nine 9, 9]]") + "evaluation: {top_k: *nine}\n"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    path = tmp_path / "ours.yaml"
    path.write_text(OURS)
    return path


def test_the_file_then_has_the_anchors_and_its_comments(ours: Path) -> None:
    before = load_recipe(str(ours))
    assert write_anchors(ours, ours, before, NEW, "by hand") == ours
    after = load_recipe(str(ours))
    assert after.network.anchors == tuple(NEW)
    assert after.model_copy(update={"network": before.network}) == before
    assert after.network.model_copy(update={"anchors": before.network.anchors}) == before.network
    text = ours.read_text()
    start, end = OURS.index("    - [[9"), OURS.index("training")
    assert text.startswith(OURS[:start] + "    # by hand\n")
    assert text.endswith(OURS[end:])
    assert [p.name for p in ours.parent.iterdir()] == ["ours.yaml"]


@pytest.mark.parametrize("name", shipped_recipes())
def test_a_new_file_starts_as_a_copy_of_any_shipped_recipe(name: str, tmp_path: Path) -> None:
    recipe, source = load_recipe(name), SHIPPED / f"{name}.yaml"
    target = tmp_path / "mine.yaml"
    write_anchors(target, source, recipe, [*NEW, *NEW][: len(recipe.network.anchors)], "note")
    after = load_recipe(str(target))
    assert after.network.anchors != recipe.network.anchors
    assert after.data == recipe.data and after.training == recipe.training
    anchors = ("    - [[", "       [")  # a level may go on in a second line
    kept = [line for line in source.read_text().splitlines() if not line.startswith(anchors)]
    assert [line for line in target.read_text().splitlines() if line in kept] == kept


def test_a_shipped_recipe_is_never_written(tmp_path: Path) -> None:
    source = SHIPPED / "heads.yaml"
    before = source.read_bytes()
    link = tmp_path / "link.yaml"
    link.symlink_to(source)
    for target in (source, link, SHIPPED / "new.yaml", Path(SHIPPED / ".." / "recipes" / "x.yaml")):
        with pytest.raises(RecipeError, match=r"comes with hexdet.*--write my\.yaml"):
            write_anchors(target, source, load_recipe("heads"), NEW, "")
    assert source.read_bytes() == before and not (SHIPPED / "new.yaml").exists()


def test_behind_a_link_the_file_itself_is_written(ours: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.yaml"
    link.symlink_to(ours)
    write_anchors(link, link, load_recipe(str(link)), NEW, "")
    assert link.is_symlink()
    assert load_recipe(str(ours)).network.anchors == tuple(NEW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OURS.replace("letterbox", "stretch"), "something else of network.fit"),
        (OURS.replace("train: 40", "train: 41"), "something else of data.train"),
        (OURS.replace("fit: letterbox", "colour: bgr"), "something else of network.colour"),
        ("network: [1\n", "is not valid YAML"),
        ("- a\n- b\n", "must hold sections"),
        ("network: 3\n", "network: Input should be a valid dictionary"),
        (OURS + "  nonsense: 3\n", "nonsense"),
        (ALIASED, "laid out so that"),
        ("\udcff", "is not valid YAML"),
    ],
    ids=[
        "another fit", "other data", "another colour", "no YAML", "a list", "a number", "a typo",
        "an alias", "no UTF-8",
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused_and_left_alone(
    text: str, said: str, ours: Path, tmp_path: Path
) -> None:
    target = tmp_path / "other.yaml"
    target.write_bytes(text.encode("utf-8", "surrogateescape"))
    before = target.read_bytes()
    with pytest.raises(RecipeError, match=re.escape(said)) as caught:
        write_anchors(target, ours, load_recipe(str(ours)), NEW, "")
    assert str(target) in str(caught.value)
    assert target.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.yaml", "ours.yaml"]


def test_what_was_set_on_the_command_line_must_stand_in_the_file(ours: Path) -> None:
    recipe = load_recipe(str(ours), ["network.width=320"])
    with pytest.raises(RecipeError, match=r"network\.width .* change it there first"):
        write_anchors(ours, ours, recipe, NEW, "")
    assert ours.read_text() == OURS


def test_a_folder_is_no_recipe(ours: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read"):
        write_anchors(tmp_path, ours, load_recipe(str(ours)), NEW, "")
