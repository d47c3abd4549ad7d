"""What `hexdet import` does: weights that others trained become files of our own."""

from __future__ import annotations

from pathlib import Path

from . import console
from .errors import UsageError
from .recipe import Recipe

EXPORTED = {".tflite": "--tflite", ".onnx": "--onnx"}
"""Files that hold a whole SSD, which `hexdet export` reads itself."""
BACKBONE = "imported.safetensors"


def import_weights(source: Path, recipe: Recipe, out: Path | None, build: Path) -> None:
    """Import a file by its kind and say what to do with the result."""
    option = EXPORTED.get(source.suffix)
    if option:
        raise UsageError(
            f"{source} needs no import: `hexdet export {option} {source} --contract CONTRACT`"
        )
    if source.suffix != ".npz":
        raise UsageError(f"{source}: known are .npz (folded weights with a .json beside them)")
    from .training.weights_in.backbone import import_backbone

    path = out or build / recipe.name / BACKBONE
    with console.bar("measuring batch norms") as step:
        import_backbone(source, recipe, path, step)
    console.out.print(
        f"backbone: {path}; train with it: hexdet train {recipe.name} "
        f"--set training.start_from={path}",
        markup=False,
    )
