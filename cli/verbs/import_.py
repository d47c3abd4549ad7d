"""What `hexdet import` does: weights that others trained become files of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...recipe import Recipe
from ..terminal import console

if TYPE_CHECKING:
    from ...training.weights_in.published import Imported

EXPORTED = {".tflite": "--tflite", ".onnx": "--onnx"}
"""Files that hold a whole SSD, which `hexdet export` reads itself."""
CAFFE = ".caffemodel"
STATE_DICTS = (".pth", ".pt")
PART = "imported.safetensors"
"""What a training starts from."""
KNOWN = "known are .npz (folded weights, with a .json beside them), .pth and .caffemodel"


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """Where the result goes, and what belongs to a caffemodel.

    recipe: as the user named it. merged: where a caffemodel is written again, without its batch
    norms, instead of being imported.
    """

    recipe: str
    out: Path | None
    build: Path
    prototxt: Path | None = None
    labels: Path | None = None
    merged: Path | None = None


def import_weights(source: Path, recipe: Recipe, wishes: Wishes) -> None:
    """Import a file into the recipe's network, by its kind, and say what to do with the result."""
    _refuse_exported(source)
    if wishes.merged is not None:
        raise UsageError("--merged writes a caffemodel for Caffe: leave --recipe out")
    if source.suffix == ".npz":
        _backbone(source, recipe, wishes)
    elif source.suffix in (*STATE_DICTS, CAFFE):
        _published(source, recipe, wishes)
    else:
        raise UsageError(f"{source}: {KNOWN}")


def import_foreign(source: Path, overrides: list[str], wishes: Wishes) -> None:
    """Import a Caffe SSD without a recipe: it becomes an ONNX graph and a contract."""
    _refuse_exported(source)
    if source.suffix != CAFFE:
        known = source.suffix == ".npz" or source.suffix in STATE_DICTS
        what = "say by --recipe whose network these weights are for" if known else KNOWN
        raise UsageError(f"{source}: {what}")
    from ...export.caffe_ssd.merging import write_merged
    from ...export.caffe_ssd.writing import import_caffe_files
    from ...export.foreign import prototxt_of

    prototxt = prototxt_of(source, wishes.prototxt)
    if wishes.merged is not None:
        definition, count = write_merged(source, prototxt, wishes.merged)
        console.out.print(f"{count} norms merged: {wishes.merged}, {definition}", markup=False)
        return
    out = wishes.out or wishes.build / source.stem
    with console.bar("reading, folding and checking"):
        written = import_caffe_files(source, prototxt, wishes.labels, out, overrides)
    network = written.recipe.network
    console.say(
        f"{source.name}: {network.width}x{network.height}, {len(network.anchors)} levels, "
        f"{len(written.recipe.classes)} classes, {written.folded} norms folded"
    )
    for assumed in written.assumed:
        console.warn(f"{prototxt.name} does not say it, taken for granted: {assumed}")
    console.out.print(
        f"next: hexdet export --onnx {written.graph} --contract {written.contract} "
        f"--set data.train=FOLDER --set data.test=FOLDER",
        markup=False,
    )


def _refuse_exported(source: Path) -> None:
    option = EXPORTED.get(source.suffix)
    if option:
        raise UsageError(
            f"{source} needs no import: `hexdet export {option} {source} --contract CONTRACT`"
        )


def _backbone(source: Path, recipe: Recipe, wishes: Wishes) -> None:
    from ...training.weights_in.backbone import import_backbone

    path = wishes.out or wishes.build / recipe.name / PART
    with console.bar("measuring batch norms") as step:
        import_backbone(source, recipe, path, step)
    _say_part(path, wishes)


def _published(source: Path, recipe: Recipe, wishes: Wishes) -> None:
    from ...training.checkpoint import parts_of
    from ...training.weights_in.published import refuse_to_lose

    with console.bar(f"reading {source.name}") as step:
        imported = _read_published(source, recipe, wishes, step)
    filled = imported.filled
    console.say(f"{source} holds {imported.title}: {len(filled.given)} tensors of ours")
    if filled.left:
        console.say(f"without a place in {recipe.network.name}: {parts_of(filled.left)}")
    if not imported.whole:
        path = imported.save(wishes.out or wishes.build / recipe.name / PART)
        _say_part(path, wishes)
        return
    # Where a training would leave its checkpoint: every verb finds it there.
    path = wishes.out or wishes.build / recipe.name / "training" / "best.safetensors"
    refuse_to_lose(path)
    imported.save(path)
    where = "" if wishes.build == Path("build") else f" --build {wishes.build}"
    checkpoint = f" --checkpoint {path}" if wishes.out else ""
    console.out.print(
        f"checkpoint: {path}; next: hexdet export {wishes.recipe}{where}{checkpoint}", markup=False
    )


def _read_published(
    source: Path, recipe: Recipe, wishes: Wishes, step: Callable[[int, int], None]
) -> Imported:
    from ...training.weights_in.published import import_state_dict, import_tensors

    if source.suffix in STATE_DICTS:
        return import_state_dict(source, recipe, step)
    from ...export.caffe_ssd.tensors import read_caffe_tensors
    from ...export.foreign import prototxt_of
    from ...training.weights_in.caffe_networks import CAFFE_NETWORKS

    tensors = read_caffe_tensors(source, prototxt_of(source, wishes.prototxt))
    return import_tensors(tensors, CAFFE_NETWORKS, source, recipe, step)


def _say_part(path: Path, wishes: Wishes) -> None:
    console.out.print(
        f"a part of the network: {path}; train with it: hexdet train {wishes.recipe} "
        f"--set training.start_from={path}",
        markup=False,
    )
