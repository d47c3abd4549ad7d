"""The recipe's thresholds become the contract's defaults."""

from __future__ import annotations

import pytest

from hexdet.errors import RecipeError
from hexdet.recipe import load_recipe
from hexdet.runtime.contract import Thresholds
from hexdet.training.contract import contract_of


def test_the_defaults_agree_with_the_runtime() -> None:
    assert contract_of(load_recipe("heads")).thresholds == Thresholds()


def test_every_threshold_of_the_recipe_arrives() -> None:
    overrides = [
        "evaluation.default_score=0.2",
        "evaluation.per_class={WBC: 0.6, RBC: 0}",
        "evaluation.nms=class_agnostic",
        "evaluation.nms_iou=0.6",
        "evaluation.soft_nms=linear",
        "evaluation.soft_sigma=0.3",
        "evaluation.top_k=400",
        "evaluation.max_detections=50",
    ]
    assert contract_of(load_recipe("bccd", overrides)).thresholds == Thresholds(
        score=0.2,
        per_class={"WBC": 0.6, "RBC": 0.0},
        nms="class_agnostic",
        nms_iou=0.6,
        soft_nms="linear",
        soft_sigma=0.3,
        top_k=400,
        max_detections=50,
    )


@pytest.mark.parametrize(
    "override",
    [
        "per_class={WBC: 1.5}",
        "per_class=[0.5]",
        "nms=none",
        "soft_nms=true",
        "soft_sigma=0",
        "top_k=0",
    ],
)
def test_a_bad_value_is_refused_by_its_key(override: str) -> None:
    with pytest.raises(RecipeError, match=rf"evaluation\.{override.split('=')[0]}"):
        load_recipe("bccd", [f"evaluation.{override}"])


def test_a_threshold_of_an_unknown_class_is_refused() -> None:
    recipe = load_recipe("bccd", ["evaluation.per_class={wbc: 0.5}"])
    with pytest.raises(RecipeError, match="no class 'wbc', there are RBC, WBC, Platelets"):
        contract_of(recipe)
