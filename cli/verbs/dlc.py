"""The verb `dlc`: the deliverables of a bundle, by the libraries of pip or by Qualcomm's SDK."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import RecipeError
from ...export.bundle import Bundle, writing
from ...export.dlc_stages import write_dlcs, write_targets
from ...export.sdk.discovery import discover
from ...export.sdk.making import make_sdk_dlcs
from ...export.stages import STAGES
from ...recipe import Recipe, changed
from ...runtime.targets import find_target
from ..terminal import console
from ..terminal.progress import Shown
from .examining import examine


@dataclass(frozen=True, kw_only=True)
class SdkWishes:
    """Where the SDK and its Python are, where the environment does not tell."""

    root: Path | None
    python: Path | None


def dlc(folder: Path, targets: Sequence[str]) -> None:
    """Write the DLCs of a bundle, and a context binary for each target."""
    with writing(folder):
        bundle = Bundle(folder, STAGES)
        recipe = bundle.recipe()
        chips = [find_target(name) for name in targets]
        write_dlcs(bundle, recipe, Shown())
        write_targets(bundle, recipe, chips, Shown())
        examine(bundle, recipe)


def sdk_dlc(
    folder: Path, targets: Sequence[str], overrides: Iterable[str], wishes: SdkWishes
) -> None:
    """Let an installed SDK make the DLC of a bundle for each target, beside the bundle's own.

    overrides: of the recipe's section export.sdk; they are stored. Raises NotRunError where there
    is no SDK, ToolError where one of its tools fails, ParityError where a DLC does not hold what
    was imposed.
    """
    with writing(folder):
        bundle = Bundle(folder, STAGES)
        recipe = _sdk_changed(bundle.recipe(), overrides)
        sdk = discover(wishes.root, wishes.python, os.environ).require()
        console.say(f"SDK: {sdk.title} in {sdk.root}")
        if sdk.is_stand_in:
            console.warn(
                "this is a stand-in for tests, no SDK of Qualcomm's: its DLCs prove nothing"
            )
        bundle.describe(recipe, bundle.sources)
        for made in make_sdk_dlcs(bundle, recipe, sdk, targets, Shown()):
            for note in made.notes:
                console.warn(f"{made.target}: {note}")
            console.out.print(f"{made.summary()}", markup=False)
        console.say(f"next: hexdet parity {folder}")


def _sdk_changed(before: Recipe, overrides: Iterable[str]) -> Recipe:
    recipe = changed(before, overrides, "--set")
    sdk = {"export": recipe.export.model_copy(update={"sdk": before.export.sdk})}
    if recipe.model_copy(update=sdk) != before:
        raise RecipeError("with --toolchain sdk, --set changes export.sdk alone")
    return recipe
