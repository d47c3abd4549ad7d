"""What `hexdet import` does: weights that others trained become files of our own."""

from __future__ import annotations

from pathlib import Path

from . import console
from .errors import UsageError
from .recipe import Recipe

EXPORTED = {".tflite": "--tflite", ".onnx": "--onnx"}
"""Files that hold a whole SSD, which `hexdet export` reads itself."""
PART = "imported.safetensors"
"""What a training starts from."""


def import_weights(source: Path, recipe: Recipe, out: Path | None, build: Path) -> None:
    """Import a file by its kind and say what to do with the result."""
    option = EXPORTED.get(source.suffix)
    if option:
        raise UsageError(
            f"{source} needs no import: `hexdet export {option} {source} --contract CONTRACT`"
        )
    if source.suffix == ".npz":
        _backbone(source, recipe, out or build / recipe.name / PART)
    elif source.suffix in (".pth", ".pt"):
        _state_dict(source, recipe, out, build)
    else:
        raise UsageError(
            f"{source}: known are .npz (folded weights, with a .json beside them) and .pth"
        )


def _backbone(source: Path, recipe: Recipe, path: Path) -> None:
    from .training.weights_in.backbone import import_backbone

    with console.bar("measuring batch norms") as step:
        import_backbone(source, recipe, path, step)
    _say_part(path, recipe)


def _state_dict(source: Path, recipe: Recipe, out: Path | None, build: Path) -> None:
    from .training.checkpoint import parts_of
    from .training.weights_in.published import import_state_dict, refuse_to_lose

    imported = import_state_dict(source, recipe)
    filled = imported.filled
    console.say(f"{source} holds {imported.title}: {len(filled.given)} tensors of ours")
    if filled.left:
        console.say(f"without a place in {recipe.network.name}: {parts_of(filled.left)}")
    if not imported.whole:
        path = imported.save(out or build / recipe.name / PART)
        _say_part(path, recipe)
        return
    # Where a training would leave its checkpoint: every verb finds it there.
    path = out or build / recipe.name / "training" / "best.safetensors"
    refuse_to_lose(path)
    imported.save(path)
    console.out.print(f"checkpoint: {path}; next: hexdet export {recipe.name}", markup=False)


def _say_part(path: Path, recipe: Recipe) -> None:
    console.out.print(
        f"a part of the network: {path}; train with it: hexdet train {recipe.name} "
        f"--set training.start_from={path}",
        markup=False,
    )
