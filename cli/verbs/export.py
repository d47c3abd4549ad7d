"""The main job: a bundle from a checkpoint or a foreign SSD, and its short accuracy check."""

from __future__ import annotations

from pathlib import Path

from ...export.bundle import versions, writing
from ...export.pipeline import export_bundle, export_foreign
from ...quantization.report.inputs import load_report
from ...recipe import Recipe
from ...training.checkpoint import default_checkpoint, load_checkpoint
from ..terminal import console
from ..terminal.progress import Shown
from .examining import examine
from .left_out import show_left_out
from .report import scored


def export(
    recipe: Recipe,
    path: Path | None,
    onnx: Path | None,
    build: Path,
    check: int | None,
    prototxt: Path | None = None,
) -> None:
    """Make a bundle, from a checkpoint or a foreign SSD, and close with its table.

    prototxt: of a foreign caffemodel, where it does not lie beside it under the same name.
    """
    folder = build / recipe.name
    if onnx is not None:
        network = recipe.network.model_copy(update={"name": onnx.stem})
        recipe = recipe.model_copy(update={"network": network})
    else:
        checkpoint = load_checkpoint(path or default_checkpoint(recipe, build), recipe)
        console.say(f"checkpoint: {_short(checkpoint.path)}")
    with writing(folder, make=True):
        if onnx is not None:
            bundle = export_foreign(recipe, onnx, folder, Shown(), prototxt)
        else:
            bundle = export_bundle(recipe, checkpoint, folder, Shown())
        show_left_out(recipe)
        placement = examine(bundle, recipe)
        images = recipe.export.check_images if check is None else check
        if images == 0:
            console.say("accuracy check: not run (0 images asked for)")
            return
        report = load_report(folder, recipe, versions())
        if report is not None and report.images >= min(images, report.images_available):
            console.say("accuracy check: unchanged, skipped")
        else:
            report = scored(bundle, recipe, placement, images)
    console.artifact_table(report)
    console.out.print(f"bundle: {folder}    report: {folder}/report.html", markup=False)


def _short(path: Path) -> Path:
    try:
        return path.resolve().relative_to(Path.cwd())
    except ValueError:
        return path
