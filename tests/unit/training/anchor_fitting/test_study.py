"""Old and new anchors side by side: counted, judged, drawn, and written for machines."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

from hexdet.errors import RecipeError
from hexdet.recipe import Recipe, load_recipe
from hexdet.runtime.anchors import all_anchors, anchors_sha256
from hexdet.runtime.files import to_json
from hexdet.training.anchor_fitting.page import FILE_NAME, render, save_page
from hexdet.training.anchor_fitting.study import (
    AnchorStudy,
    counts_of,
    geometry_of,
    study,
    with_anchors,
)
from hexdet.training.anchor_fitting.truths import Collected, Truths
from hexdet.training.contract import contract_of


def truths_of(count: int, *, ratio: float = 1.5, seed: int = 0) -> Truths:
    rng = np.random.default_rng(seed)
    side = rng.uniform(17, 120, count)
    sizes = np.stack([side / np.sqrt(ratio), side * np.sqrt(ratio)], axis=1)
    corner = rng.uniform(0, 1, (count, 2)) * (300 - sizes)
    return Truths(
        boxes=np.concatenate([corner, corner + sizes], axis=1).astype(np.float32),
        labels=np.ones(count, np.int64),
        image=np.arange(count) // 4,
        images=count // 4,
        ignored=2,
    )


def heads_study(ratio: float = 1.5, *, augmented: bool = True) -> AnchorStudy:
    recipe = load_recipe("heads")
    collected = Collected(
        annotated=truths_of(400, ratio=ratio),
        augmented=truths_of(600, ratio=ratio, seed=1) if augmented else None,
    )
    return study(recipe, "a/train", collected, (2, 2, 2, 2), "kmeans")


@pytest.fixture(scope="module")
def wide() -> AnchorStudy:
    """The anchors of heads, which are high, for objects that are wide."""
    return heads_study(0.4)


def test_anchors_for_another_shape_are_certainly_better(wide: AnchorStudy) -> None:
    assert wide.before is not None and wide.certain and wide.gain > 10
    before, after = (found.recall["augmented"][0] for found in (wide.before, wide.after))
    assert wide.gain == pytest.approx(100 * (after.recall - before.recall))
    assert f"{wide.gain:.1f} points more" in wide.verdict
    assert list(wide.after.recall) == ["annotated", "augmented"]
    assert before.objects == 600 and wide.after.recall["annotated"][0].objects == 400


def test_anchors_for_the_same_shape_are_no_news() -> None:
    found = heads_study(1.5, augmented=False)
    assert found.fitted_to == "annotated" and list(found.after.recall) == ["annotated"]
    assert not found.certain
    assert "keep the recipe's" in found.verdict


def test_hash_and_count_are_those_of_the_placed_anchors(wide: AnchorStudy) -> None:
    recipe = with_anchors(load_recipe("heads"), wide.after.levels)
    placed = all_anchors(contract_of(recipe))
    assert (wide.after.count, wide.after.sha256) == (len(placed), anchors_sha256(placed))
    assert wide.before is not None
    assert wide.before.sha256 == anchors_sha256(all_anchors(contract_of(load_recipe("heads"))))


def test_the_json_is_plain_and_has_no_nan(wide: AnchorStudy) -> None:
    content = json.loads(to_json(wide.to_json()))
    assert content["fitted_to"] == "augmented" and content["objects"] == 600
    assert content["levels"][3]["method"] == "statistics"  # nothing is larger than 120 px
    assert content["after"]["levels"][0] == [list(pair) for pair in wide.after.levels[0]]
    assert content["after"]["recall"]["augmented"][-1] == {
        "name": "128 px and more",
        "objects": 0,
        "recall": None,
        "mean_best_iou": None,
        "anchors_per_object": None,
    }


def test_the_page_needs_nothing_from_elsewhere(wide: AnchorStudy, tmp_path: Path) -> None:
    text = save_page(wide, tmp_path).read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == [FILE_NAME]
    assert not re.search(r"https?:|<script|<img|@import|url\((?!#)", text)
    assert "nan" not in re.sub(r"<style>.*</style>", "", text, flags=re.DOTALL)
    assert text.count("<polygon") == 16 and wide.verdict.replace("'", "&#39;") in text
    assert wide.after.sha256 in text


def test_names_from_outside_are_escaped() -> None:
    recipe = load_recipe("heads")
    collected = Collected(annotated=truths_of(100), augmented=None)
    text = render(study(recipe, "<b>&", collected, (1, 1, 1, 1), "statistics"))
    assert "&lt;b&gt;&amp;" in text and "<b>&" not in text


def foreign(anchors: str = "[]") -> Recipe:
    return load_recipe("heads", [f"network={{name: theirs, strides: [8, 32], anchors: {anchors}}}"])


@pytest.mark.parametrize("anchors", ["[]", "[[[9, 9]]]"], ids=["none", "of another network"])
def test_a_network_without_anchors_of_its_own_gets_some(anchors: str) -> None:
    recipe = foreign(anchors)
    contract, known = geometry_of(recipe)
    assert [level.stride for level in contract.levels] == [8, 32] and not known
    collected = Collected(annotated=truths_of(200), augmented=None)
    found = study(recipe, "a", collected, counts_of(None, recipe), "kmeans")
    assert found.before is None and math.isnan(found.gain)
    assert [len(level) for level in found.after.levels] == [2, 2]
    assert "the recipe's" not in found.verdict
    assert render(found).count("<polygon") == 4
    assert json.loads(to_json(found.to_json()))["before"] is None


def test_an_unknown_network_is_refused_by_its_name() -> None:
    with pytest.raises(RecipeError, match="unknown network 'nobody'"):
        geometry_of(load_recipe("heads", ["network={name: nobody}"]))


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        (None, (2, 2, 2, 2)),
        ("3", (3, 3, 3, 3)),
        ("1,2,3,4", (1, 2, 3, 4)),
        (" 2, 2,3,3", (2, 2, 3, 3)),
    ],
)
def test_how_many_anchors_a_level_gets(asked: str | None, counts: tuple[int, ...]) -> None:
    assert counts_of(asked, load_recipe("heads")) == counts


@pytest.mark.parametrize("asked", ["", "0", "-1", "2.5", "two", "1,2", "1,2,3,4,5", "2,,2,2", "65"])
def test_a_wrong_number_of_anchors_is_refused(asked: str) -> None:
    with pytest.raises(RecipeError, match=f"--anchors-per-level '{re.escape(asked)}': "):
        counts_of(asked, load_recipe("heads"))
