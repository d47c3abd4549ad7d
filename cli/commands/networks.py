"""Commands before there is a bundle: a network's anchors, weights and size."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    AsJson,
    BuildFolder,
    Limit,
    MethodChoice,
    Overrides,
    RecipeName,
    SplitChoice,
)

commands = typer.Typer()


@commands.command(epilog="Example: hexdet train heads --set training.epochs=3")
def train(
    recipe: RecipeName,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it stopped.")] = False,
    build: BuildFolder = Path("build"),
) -> None:
    """Train a recipe's network; the best checkpoint goes to build/NAME/training.

    Several GPUs: torchrun --nproc-per-node 2 -m hexdet train RECIPE
    """
    from ..verbs.train import train as run

    run(recipe, overrides or (), build, resume=resume)


@commands.command(
    "import",
    epilog="Example: hexdet import mobilenet_v2_1.0_224_quant.npz --recipe bccd_imagenet; "
    "hexdet import MobileNetSSD_deploy.caffemodel",
)
def import_(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A .npz (with .json), .pth or .caffemodel.")
    ],
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", metavar="RECIPE", help="Whose network the weights are for."),
    ] = None,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="File, of Caffe folder; else within build/NAME.")
    ] = None,
    prototxt: Annotated[
        Path | None, typer.Option("--prototxt", help="Of a caffemodel; else the one beside it.")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", help="Class names of a caffemodel, one a line.")
    ] = None,
    merged: Annotated[
        Path | None,
        typer.Option("--merged", help="Write a caffemodel here instead, batch norms merged."),
    ] = None,
    build: BuildFolder = Path("build"),
) -> None:
    """Bring weights that others trained into checkpoints and graphs of our own.

    A folded MobileNetV2 classifier (.npz) becomes a backbone that training.start_from takes.

    A state dict of the pytorch-ssd family (.pth) becomes a checkpoint, or a part of one.

    A Caffe SSD becomes an ONNX graph and the contract that its prior boxes give; with --recipe
    its weights go into our mb1_ssd, ssd300_vgg16 or ssd512_vgg16.

    A TensorFlow or ONNX SSD needs no import: hexdet export --tflite, --onnx.
    """
    from ...recipe import load_recipe
    from ..verbs import import_ as verb

    wishes = verb.Wishes(
        recipe=recipe or "",
        out=out,
        build=build,
        prototxt=prototxt,
        labels=labels,
        merged=merged,
    )
    if recipe is None:
        verb.import_foreign(source, overrides or [], wishes)
    else:
        verb.import_weights(source, load_recipe(recipe, overrides or ()), wishes)


@commands.command(
    epilog="Example: hexdet anchors my.yaml --write my.yaml; "
    "hexdet anchors bccd --anchors-per-level 3 --write my_bccd.yaml"
)
def anchors(
    recipe: RecipeName,
    overrides: Overrides = None,
    split: Annotated[SplitChoice, typer.Option()] = SplitChoice.train,
    limit: Limit = None,
    augmented: Annotated[
        int,
        typer.Option(
            "--augmented", min=0, help="Fit to N images as training changes them; 0: as annotated."
        ),
    ] = 1000,
    per_level: Annotated[
        str | None,
        typer.Option("--anchors-per-level", metavar="K|K,K,..", help="Else the recipe's own."),
    ] = None,
    method: Annotated[MethodChoice, typer.Option()] = MethodChoice.kmeans,
    write: Annotated[
        Path | None, typer.Option("--write", help="Put them into this recipe, comments kept.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--out", help="Of page and JSON; else build/NAME/anchors.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a recipe's anchors to its data, and show which objects old and new ones reach."""
    from ...recipe import load_recipe
    from ..verbs.anchors import Wishes
    from ..verbs.anchors import anchors as run

    parsed = load_recipe(recipe, overrides or ())
    wishes = Wishes(
        split=split.value,
        limit=limit,
        augmented=augmented,
        per_level=per_level,
        method=method.value,
        write=write,
        output=output or Path("build") / parsed.name / "anchors",
        as_json=as_json,
    )
    run(recipe, parsed, wishes)


@commands.command(epilog="Example: hexdet networks bccd bccd_tiny")
def networks(
    recipes: Annotated[
        list[str] | None, typer.Argument(metavar="[RECIPE]...", help="Default: every shipped one.")
    ] = None,
    as_json: AsJson = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, with the sources.")
    ] = False,
) -> None:
    """Count the network of each recipe: anchors, parameters, MACs, beside the published ones."""
    from ..verbs.networks import networks as run

    run(recipes or [], as_json, as_markdown)
