"""Another integer graph for a bundle, or the cheapest that stays within a budget of accuracy."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from ...datasets.opening import open_split
from ...errors import ParityError, RecipeError
from ...export.bundle import Bundle, writing
from ...export.dlc_stages import write_dlcs
from ...export.quantizing_stage import quantize_bundle
from ...export.stages import STAGES
from ...recipe import QuantizationSection, Recipe, changed
from ...runtime.backend import Precision
from ...runtime.detector import BackendName
from ..terminal import console
from ..terminal.progress import Shown
from .evaluate import score
from .examining import examine


def quantize(
    folder: Path, overrides: Iterable[str], max_drop: float | None, limit: int | None, as_json: bool
) -> None:
    """Quantize a bundle again with its own recipe, changed by the overrides.

    max_drop: points of AP@0.5 on the emulated HTP; where given, dearer and dearer ways are tried
    on the first `limit` test images until one is inside, and that one is kept. Raises ParityError
    where none is.
    """
    with writing(folder):
        bundle = Bundle(folder, STAGES)
        before = bundle.recipe()
        recipe = changed(before, overrides, "the bundle's recipe")
        for key in ("name", "data", "network", "training", "evaluation"):
            if getattr(before, key) != getattr(recipe, key):
                raise RecipeError(
                    f"{key} belongs to the float graph of {folder}: change it with `hexdet export`"
                )
        if max_drop is not None:
            section = _search(bundle, recipe, max_drop, limit, as_json)
            recipe = recipe.model_copy(update={"quantization": section})
        quantize_bundle(bundle, recipe, Shown())
        bundle.describe(recipe, bundle.sources)
        write_dlcs(bundle, recipe, Shown())
        examine(bundle, recipe)
        console.say(f"next: hexdet report {folder}")


def _search(
    bundle: Bundle, recipe: Recipe, max_drop: float, limit: int | None, as_json: bool
) -> QuantizationSection:
    """Return the cheapest way of quantizing that is inside the budget, after showing them all."""
    from ...export.budget import climb_to_budget
    from ..terminal.tables import budget_table

    dataset, arch = open_split(recipe.data, "test"), recipe.export.target_arch
    count = len(dataset) if limit is None else min(limit, len(dataset))

    def ap50(folder: Path, backend: BackendName, precision: Precision) -> float:
        return score(
            folder,
            recipe,
            dataset,
            backend=backend,
            precision=precision,
            arch=arch,
            limit=limit,
        ).accuracy.ap50

    reference = ap50(bundle.folder, "cpu", "float")
    attempts = climb_to_budget(
        bundle, recipe, max_drop, reference, lambda folder: ap50(folder, "htp", "int8"), Shown()
    )
    if as_json:
        rows = [
            {**dataclasses.asdict(v), "section": v.section.model_dump(mode="json")}
            for v in attempts
        ]
        console.print_json({"max_drop": max_drop, "float": reference, "attempts": rows})
    else:
        budget_table(attempts, max_drop, reference, count)
    inside = next((attempt for attempt in attempts if attempt.status == "inside"), None)
    if inside is None:
        raise ParityError(
            f"no way of quantizing stays within {max_drop:g} points of AP@0.5: the bundle is as it "
            f"was; `hexdet diagnose {bundle.folder}` shows where the accuracy goes"
        )
    return inside.section
