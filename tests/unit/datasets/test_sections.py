"""The data sections of a recipe: defaults, choices, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from hexdet.errors import RecipeError
from hexdet.recipe.data import DATA_FORMATS

from .conftest import recipe_of

NEEDED: dict[str, dict[str, Any]] = {
    "voc": {"folder": "x", "classes": ["a"]},
    "coco": {"classes": ["a"]},
    "yolo": {"folder": "x", "classes": ["a"]},
    "face_list": {"folder": "x"},
    "images": {"classes": ["a"], "train": "x", "test": "y"},
}


@pytest.mark.parametrize("name", sorted(DATA_FORMATS))
def test_every_format_names_classes_and_refuses_unknown_keys(name: str) -> None:
    recipe = recipe_of(format=name, **NEEDED.get(name, {}))
    assert recipe.classes
    assert recipe.data.format == name
    with pytest.raises(RecipeError, match=r"unknown key 'data\.foldr'"):
        recipe_of(format=name, foldr="x", **NEEDED.get(name, {}))


@pytest.mark.parametrize(
    ("section", "classes"),
    [
        ({}, ("head",)),
        ({"boxes": "head"}, ("head",)),
        ({"boxes": "visible"}, ("person",)),
        ({"boxes": "full", "classes": ["pedestrian"]}, ("pedestrian",)),
        ({"boxes": ["full", "head"]}, ("person", "head")),
    ],
)
def test_the_classes_of_crowdhuman_follow_its_boxes(
    section: dict[str, Any], classes: tuple[str, ...]
) -> None:
    assert recipe_of(format="crowdhuman", **section).classes == classes


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"format": "crowdhuman", "boxes": ["head", "full"], "classes": ["a"]}, "boxes has 2"),
        ({"format": "crowdhuman", "boxes": "legs"}, "'head', 'visible' or 'full'"),
        ({"format": "crowdhuman", "boxes": ["visible", "full"]}, "are one name"),
        ({"format": "widerface", "ignore": ["blurry"]}, r"data\.ignore\.0"),
        ({"format": "widerface", "classes": ["a", "b"]}, r"data\.classes"),
        ({"format": "widerface", "min_side_px": -1}, r"data\.min_side_px"),
        ({"format": "scut_head", "parts": ["C"]}, r"data\.parts\.0"),
        ({"format": "voc", "classes": ["a"]}, r"data\.folder"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused(section: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        recipe_of(**section)
