"""The fidelity ladder of a bundle, and the search for the layer where it breaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...datasets.opening import open_split
from ...errors import HexdetError, ParityError
from ...export.bundle import Bundle, writing
from ...export.ladder import Rung, first_failure
from ...export.parity import climb_bundle, find_checkpoint
from ...export.stages import STAGES
from ...recipe import Recipe
from ...runtime.contract import load_contract
from ...runtime.images import to_pixels
from ...training.checkpoint import default_checkpoint, shipped_checkpoint
from ..terminal import console
from ..terminal.progress import bars


def parity(folder: Path, limit: int, bisect: bool, as_json: bool) -> None:
    """Climb the ladder of a bundle; raises ParityError where a rung fails."""
    with writing(folder):
        bundle = Bundle(folder, STAGES)
        recipe = bundle.recipe()
        own = folder / "training" / "best.safetensors"
        candidates = [own, default_checkpoint(recipe, folder.parent), shipped_checkpoint(recipe)]
        with bars("climbing") as progress:
            rungs = climb_bundle(bundle, recipe, candidates, limit=limit, progress=progress)
        if as_json:
            console.print_file(folder / "parity.json")
        else:
            console.ladder_table(rungs)
        failed = first_failure(rungs)
        if failed is None:
            return
        found = f"the rung {failed.title} failed: {failed.reason}"
        if bisect:
            try:
                found += "; " + _bisect(bundle, recipe, failed, candidates)
            except HexdetError as error:
                found += f"; {error}"
        raise ParityError(found)


def _bisect(bundle: Bundle, recipe: Recipe, failed: Rung, candidates: Sequence[Path]) -> str:
    from ...export.bisect import Bisection, bisect

    if failed.compared_with is None:
        return "it gave no result whose layers could be searched"
    image = open_split(recipe.data, "test")[failed.worst_image].image
    bisection = Bisection(
        bundle.folder,
        recipe,
        to_pixels(image, load_contract(bundle.folder).input),
        lambda: find_checkpoint(bundle, recipe, candidates),
    )
    layer = bisect(bisection, bundle.folder, failed.key, failed.compared_with)
    if layer is None and (bundle.folder / f"{failed.key}.bin").is_file():
        return (
            f"compiled again, every layer is within its tolerance: the binary is stale or damaged, "
            f"write it again with `hexdet dlc {bundle.folder} --target {failed.key}`"
        )
    if layer is None:
        return "on the image that differs most every layer is within its tolerance"
    return (
        f"its first bad layer is {layer.node} (up to {layer.max_apart:.3g} {layer.unit}, "
        f"{layer.mean_apart:.3g} on average, after {layer.layers_before} good ones): "
        f"see {layer.folder}"
    )
