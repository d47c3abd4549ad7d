"""The accuracy-drop report of a bundle."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets.opening import open_split
from ...export.bundle import Bundle, versions, writing
from ...export.stages import STAGES
from ...quantization.report.making import make_report
from ...quantization.report.page import save_report
from ...quantization.report.schema import Placement, Report
from ...quantization.report.verdict import check_verdict
from ...recipe import Recipe
from ..terminal import console
from ..terminal.progress import bars
from .examining import examine

if TYPE_CHECKING:
    from ...quantization.advice import AdvisedLayerError
    from ...quantization.report.calibration_study import Requantize

DIAGNOSED_IMAGES = 4


def report(
    folder: Path,
    limit: int | None,
    max_drop: float | None,
    workers: int | None,
    calibration_study: bool,
    as_json: bool,
) -> None:
    """Make the accuracy-drop report of a bundle; raises ParityError where the budget is missed.

    max_drop: the budget in points of AP@0.5, the recipe's where None. calibration_study: quantize
    again and again with other calibration images, too.
    """
    with writing(folder):
        bundle = Bundle(folder, STAGES)
        recipe = bundle.recipe()
        placement = examine(bundle, recipe)
        with contextlib.ExitStack() as stack:
            requantize = None
            if calibration_study:
                from ...export.requantizing import requantizer

                requantize = stack.enter_context(requantizer(bundle, recipe))
            result = scored(
                bundle,
                recipe,
                placement,
                limit,
                max_drop=max_drop,
                workers=workers,
                requantize=requantize,
                layers=_layers(folder, recipe),
            )
        if as_json:
            console.print_file(folder / "report.json")
        else:
            console.accuracy_table(result)
            console.out.print(
                f"{result.parameters:,} parameters, {result.macs:,} MACs; "
                + ", ".join(f"{k} {v / 2**20:.2f} MiB" for k, v in result.sizes.items()),
                markup=False,
            )
            console.out.print(f"report: {folder}/report.html, {folder}/report.json", markup=False)
        check_verdict(result)


def scored(
    bundle: Bundle,
    recipe: Recipe,
    placement: Placement,
    limit: int | None,
    *,
    max_drop: float | None = None,
    workers: int | None = None,
    requantize: Requantize | None = None,
    layers: list[AdvisedLayerError] | None = None,
) -> Report:
    """Score a bundle's graphs on `limit` test images, all where None, and save the report."""
    with bars("scoring") as progress:
        report = make_report(
            bundle.folder,
            recipe,
            versions(),
            placement=placement,
            limit=limit,
            workers=workers,
            max_drop=max_drop,
            requantize=requantize,
            layers=layers,
            progress=progress,
        )
    save_report(report, bundle.folder, open_split(recipe.data, "test"))
    return report


def _layers(folder: Path, recipe: Recipe) -> list[AdvisedLayerError]:
    """Return the per-layer errors on the emulated HTP, each with its advice."""
    from ...quantization.advice import with_advice
    from ...quantization.diagnosis import diagnose_bundle

    with console.bar("diagnosing the layers") as step:
        layers = diagnose_bundle(folder, recipe, True, DIAGNOSED_IMAGES, step)
    return with_advice(layers, recipe.quantization)
