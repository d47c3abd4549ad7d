"""The climb to a budget: a way that does not fit the network is left out, not the end of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hexdet.errors import ArtifactError, NotRunError
from hexdet.export import budget
from hexdet.export.budget import Attempt, climb_to_budget
from hexdet.export.bundle import Bundle
from hexdet.export.stages import STAGES, Watcher
from hexdet.recipe import Recipe

from ..conftest import MakeBundle

SCORES = {"minmax": 0.80, "mse": 0.85}


def climb(
    folder: Path, monkeypatch: pytest.MonkeyPatch, errors: dict[str, Exception], drop: float
) -> list[Attempt]:
    """Climb from a float AP of 0.9; errors: what quantizing raises, by the key it is asked for."""
    recipe = Recipe(name="tiny")
    ap50 = 0.0

    def quantize_bundle(bundle: Bundle, recipe: Recipe, watch: Any) -> None:
        nonlocal ap50
        section = recipe.quantization
        for key, error in errors.items():
            if getattr(section, key) not in (False, "nearest"):
                raise error
        ap50 = SCORES[section.ranges] + (0.04 if section.rounding == "adaround" else 0)

    monkeypatch.setattr(budget, "quantize_bundle", quantize_bundle)
    monkeypatch.setattr(budget, "_widen", lambda count, folder, recipe: recipe.quantization)
    monkeypatch.setattr(budget, "wide_macs", lambda model, wide: 0.0)
    bundle = Bundle(folder, STAGES)
    bundle.describe(recipe, {})
    return climb_to_budget(bundle, recipe, drop, 0.9, lambda folder: ap50, Watcher())


def test_the_first_way_inside_ends_it(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = climb(make_bundle(), monkeypatch, {}, 6)
    assert [a.status for a in attempts[:3]] == ["outside", "inside", "not run"]
    assert {a.reason for a in attempts[2:]} == {"not needed"}


@pytest.mark.parametrize("kind", [NotRunError, ArtifactError])
def test_a_method_that_does_not_fit_is_left_behind(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    """A network without two convolutions in a row cannot be equalised: that ended the climb."""
    errors = {"equalise": kind("nothing to equalise")}
    attempts = climb(make_bundle(), monkeypatch, errors, 2)
    statuses = ["outside", "outside", "not run", "outside", "inside"]
    assert [a.status for a in attempts[:5]] == statuses
    assert attempts[2].reason == "nothing to equalise"
    # Bias correction needs neither what equalisation needs nor its engine.
    assert attempts[3].section.correct_bias
    assert not attempts[3].section.equalise
    assert attempts[4].section.rounding == "adaround"


def test_a_graph_that_cannot_be_quantized_at_all_is_an_error(
    make_bundle: MakeBundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ArtifactError, match="no raw convolution"):
        climb(make_bundle(), monkeypatch, {"ranges": ArtifactError("no raw convolution")}, 2)
