"""Commands that make a bundle, and make parts of it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    AsJson,
    BuildFolder,
    BundleFolder,
    Limit,
    Overrides,
    ToolchainChoice,
)

commands = typer.Typer()


@commands.command(
    epilog="Example: hexdet export bccd --check 72; "
    "hexdet export --onnx face.onnx --contract face.yaml"
)
def export(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="A recipe file, or heads, bccd.")
    ] = None,
    overrides: Overrides = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="Default: your own, else the shipped one.")
    ] = None,
    check: Annotated[
        int | None, typer.Option("--check", min=0, help="Images of the accuracy check.")
    ] = None,
    onnx: Annotated[
        Path | None,
        typer.Option(
            "--onnx", "--tflite", "--caffe", help="A foreign SSD instead of a checkpoint."
        ),
    ] = None,
    prototxt: Annotated[
        Path | None, typer.Option("--prototxt", help="Of a caffemodel; else the one beside it.")
    ] = None,
    contract: Annotated[
        str | None, typer.Option("--contract", help="The recipe that describes it.")
    ] = None,
    build: BuildFolder = Path("build"),
) -> None:
    """Do the main job: checkpoint to ONNX, to INT8, to DLC, and a short accuracy check."""
    from ...recipe import load_recipe
    from ..verbs.export import export as run

    if (onnx is None) != (contract is None) or (recipe is None) == (contract is None):
        raise typer.BadParameter("give a RECIPE, or --onnx, --tflite or --caffe with --contract")
    if onnx is not None and checkpoint is not None:
        raise typer.BadParameter("a foreign SSD and --checkpoint exclude each other")
    parsed = load_recipe(recipe or contract or "", overrides or ())
    run(parsed, checkpoint, onnx, build, check, prototxt)


@commands.command(
    epilog="Example: hexdet quantize build/heads --set quantization.weights=per_tensor; "
    "hexdet quantize build/heads --max-drop 0.5"
)
def quantize(
    bundle: BundleFolder,
    overrides: Overrides = None,
    max_drop: Annotated[
        float | None,
        typer.Option(min=0, help="Points of AP@0.5: try dearer ways until one stays within."),
    ] = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate and quantize the float graph of a bundle again, and rewrite its DLCs."""
    from ..verbs.quantize import quantize as run

    if max_drop is None and (limit is not None or as_json):
        raise typer.BadParameter("--limit and --json belong to --max-drop")
    run(bundle, overrides or [], max_drop, limit, as_json)


@commands.command(
    epilog="Example: hexdet dlc build/heads --target sm8550 --target qcs6490; "
    "hexdet dlc build/heads --toolchain sdk --sdk /opt/qairt/2.25 --target sm8250"
)
def dlc(
    bundle: BundleFolder,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="Also compile for this chip.")
    ] = None,
    toolchain: Annotated[
        ToolchainChoice,
        typer.Option(help="pip: Qualcomm's libraries there; sdk: an installed SNPE or QAIRT SDK."),
    ] = ToolchainChoice.pip,
    overrides: Overrides = None,
    sdk: Annotated[
        Path | None,
        typer.Option("--sdk", help="Root of the SDK; else QAIRT_SDK_ROOT, QNN_.., SNPE_ROOT."),
    ] = None,
    sdk_python: Annotated[
        Path | None, typer.Option("--sdk-python", help="Its Python; else python3.X on PATH.")
    ] = None,
) -> None:
    """Write the DLCs of a bundle from its two graphs, and context binaries for chips.

    With --toolchain sdk: Qualcomm's own converter and quantizer write sdk/CHIP/int8.dlc.
    """
    from ..verbs import dlc as verb

    if toolchain is ToolchainChoice.sdk:
        wishes = verb.SdkWishes(root=sdk, python=sdk_python)
        verb.sdk_dlc(bundle, target or (), overrides or (), wishes)
    elif overrides or sdk or sdk_python:
        raise typer.BadParameter("--set, --sdk and --sdk-python belong to --toolchain sdk")
    else:
        verb.dlc(bundle, target or ())
