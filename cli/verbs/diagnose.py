"""Where the integer graph of a bundle loses accuracy."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from ...export.bundle import Bundle
from ...export.stages import STAGES
from ...quantization.advice import with_advice
from ...quantization.diagnosis import diagnose_bundle
from ...runtime.detector import BackendName
from ..terminal import console
from ..terminal.tables import layer_table


def diagnose(
    folder: Path, backend: BackendName, limit: int, worst: int, plots: Path | None, as_json: bool
) -> None:
    """Show which layers of the integer graph lose the accuracy, and what to do about them."""
    recipe = Bundle(folder, STAGES).recipe()
    with console.bar(f"diagnosing on {backend}") as step:
        found = diagnose_bundle(folder, recipe, backend == "htp", limit, step)
    layers = with_advice(found, recipe.quantization)
    if plots is not None:
        from ...quantization.layer_plots import save_layer_plots

        place = "the emulated HTP" if backend == "htp" else "the CPU"
        for path in save_layer_plots(plots, folder, found, name=recipe.name, backend=place):
            console.say(f"wrote {path}")
    if as_json:
        rows = [dataclasses.asdict(layer) for layer in layers]
        console.print_json({"backend": backend, "images": limit, "layers": rows})
    else:
        layer_table(layers, worst, backend)
