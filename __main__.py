"""The door: one subcommand a verb. Heavy imports happen inside the verbs."""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .benches import bench
from .data_verbs import data
from .errors import HexdetError
from .options import (
    RESULTS,
    AsJson,
    BackendChoice,
    BuildFolder,
    BundleFolder,
    JobChoice,
    Limit,
    MethodChoice,
    MetricChoice,
    Overrides,
    PlaceChoice,
    PrecisionChoice,
    RecipeName,
    ResultsFile,
    SaveChoice,
    SplitChoice,
    ToolchainChoice,
    Workers,
    quiet_video_libraries,
)

if TYPE_CHECKING:
    from .recipe import Recipe

app = typer.Typer(
    name="hexdet",
    help="From a PyTorch SSD detector to a measured INT8 DLC on the Snapdragon Hexagon DSP.",
    epilog="Start with: hexdet export heads",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(bench, name="bench")
app.add_typer(data, name="data")

USER_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT}
"""Failures of the operating system that are the user's world and no bug."""


@app.command(epilog="Example: hexdet doctor; hexdet doctor --for detect")
def doctor(
    job: Annotated[
        JobChoice, typer.Option("--for", help="detect: what a board needs; export: the main job.")
    ] = JobChoice.export,
    as_json: AsJson = False,
) -> None:
    """Look whether this machine can do the work, and say what to do where it cannot.

    A network is really run on the emulated Hexagon and a DLC really written.

    No adb server is started. Exit code 1 if the job named by --for cannot run.
    """
    from .doctoring import doctor as run

    code = run(job.value, as_json)
    if code != 0:
        raise typer.Exit(code)


@app.command(epilog="Example: hexdet train heads --set training.epochs=3")
def train(
    recipe: RecipeName,
    overrides: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it stopped.")] = False,
    build: BuildFolder = Path("build"),
) -> None:
    """Train a recipe's network; the best checkpoint goes to build/NAME/training.

    Several GPUs: torchrun --nproc-per-node 2 -m hexdet train RECIPE
    """
    from .training_verb import train as run

    run(recipe, overrides or (), build, resume=resume)


@app.command(
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
    from . import importing

    wishes = importing.Wishes(
        recipe=recipe or "",
        out=out,
        build=build,
        prototxt=prototxt,
        labels=labels,
        merged=merged,
    )
    if recipe is None:
        importing.import_foreign(source, overrides or [], wishes)
    else:
        importing.import_weights(source, _recipe(recipe, overrides), wishes)


@app.command(
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
    from .anchoring import Wishes
    from .anchoring import anchors as run

    parsed = _recipe(recipe, overrides)
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


@app.command(
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
    from . import verbs

    if (onnx is None) != (contract is None) or (recipe is None) == (contract is None):
        raise typer.BadParameter("give a RECIPE, or --onnx, --tflite or --caffe with --contract")
    if onnx is not None and checkpoint is not None:
        raise typer.BadParameter("a foreign SSD and --checkpoint exclude each other")
    parsed = _recipe(recipe or contract or "", overrides)
    verbs.export(parsed, checkpoint, onnx, build, check, prototxt)


@app.command(
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
    from . import quantizing

    if max_drop is None and (limit is not None or as_json):
        raise typer.BadParameter("--limit and --json belong to --max-drop")
    quantizing.quantize(bundle, overrides or [], max_drop, limit, as_json)


@app.command(
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
    from . import dlc_verb

    if toolchain is ToolchainChoice.sdk:
        wishes = dlc_verb.SdkWishes(root=sdk, python=sdk_python)
        dlc_verb.sdk_dlc(bundle, target or (), overrides or (), wishes)
    elif overrides or sdk or sdk_python:
        raise typer.BadParameter("--set, --sdk and --sdk-python belong to --toolchain sdk")
    else:
        dlc_verb.dlc(bundle, target or ())


@app.command(epilog="Example: hexdet diagnose build/heads --backend htp --worst 10")
def diagnose(
    bundle: BundleFolder,
    backend: Annotated[BackendChoice, typer.Option()] = BackendChoice.cpu,
    limit: Annotated[int, typer.Option(min=1, help="Test images to measure on.")] = 4,
    worst: Annotated[int, typer.Option(min=1, help="Layers to show.")] = 10,
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Draw errors and weights into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show which layers of the INT8 graph lose the accuracy, and what to do about each."""
    from . import quantizing

    quantizing.diagnose(bundle, backend.value, limit, worst, plots, as_json)


@app.command(epilog="Example: hexdet dlc-info build/heads/int8.dlc --csv")
def dlc_info(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
) -> None:
    """Show the layers, encodings, parameters and MACs of a DLC, read from the file alone."""
    from . import verbs

    verbs.dlc_info(file, as_json, as_csv)


@app.command(epilog="Example: hexdet dlc-diff old/int8.dlc build/heads/int8.dlc")
def dlc_diff(
    first: Annotated[Path, typer.Argument(metavar="A")],
    second: Annotated[Path, typer.Argument(metavar="B")],
    as_json: AsJson = False,
) -> None:
    """Show which layers, shapes, encodings and weights differ; exit code 3 if any does."""
    from . import verbs

    if not verbs.dlc_diff(first, second, as_json):
        raise typer.Exit(3)


@app.command(epilog="Example: hexdet parity build/heads --limit 8")
def parity(
    bundle: BundleFolder,
    limit: Annotated[int, typer.Option(min=1, help="Test images to compare on.")] = 8,
    bisect: Annotated[
        bool, typer.Option("--bisect", help="Find the first bad layer of a failed rung.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hold every form of the network against the last: PyTorch, ONNX, INT8, HTP, DLC, device."""
    from . import verbs

    verbs.parity(bundle, limit, bisect, as_json)


@app.command(
    epilog="Example: hexdet evaluate build/heads --backend htp --limit 50; "
    "hexdet evaluate build/heads --fppi 0.1 --plots curves"
)
def evaluate(
    bundle: BundleFolder,
    backend: Annotated[BackendChoice, typer.Option()] = BackendChoice.cpu,
    precision: Annotated[PrecisionChoice, typer.Option()] = PrecisionChoice.int8,
    split: Annotated[SplitChoice, typer.Option()] = SplitChoice.test,
    limit: Limit = None,
    target: Annotated[
        str | None, typer.Option("--target", help="On the emulated Hexagon of this chip.")
    ] = None,
    workers: Workers = None,
    scheduler: Annotated[
        str | None, typer.Option(help="On a Dask cluster, e.g. tcp://host:8786.")
    ] = None,
    metric: Annotated[
        list[MetricChoice] | None, typer.Option(help="Repeatable; else all of them.")
    ] = None,
    operating_point: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Miss rate at this score; else at the detector's own."),
    ] = None,
    fppi: Annotated[
        float | None, typer.Option(min=0.0, help="Miss rate at so many false positives an image.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Draw the curves into this folder.")
    ] = None,
    results: ResultsFile = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Score one graph of a bundle on annotated images: COCO's figures, VOC's, and the miss rate."""
    if operating_point is not None and fppi is not None:
        raise typer.BadParameter("--operating-point and --fppi exclude each other")
    from .evaluating import Wishes
    from .evaluating import evaluate as run

    wishes = Wishes(
        backend=BackendChoice.htp.value if target is not None else backend.value,
        precision=precision.value,
        split=split.value,
        limit=limit,
        target=target,
        workers=workers,
        scheduler=scheduler,
        metrics=[choice.value for choice in metric or ()],
        operating_point=operating_point,
        fppi=fppi,
        plots=plots,
        results=results,
        as_json=as_json,
    )
    run(bundle, wishes)


@app.command(epilog="Example: hexdet report build/bccd --max-drop 0.5")
def report(
    bundle: BundleFolder,
    limit: Limit = None,
    max_drop: Annotated[
        float | None,
        typer.Option("--max-drop", min=0.0, help="Points of AP@0.5 that INT8 may lose."),
    ] = None,
    workers: Workers = None,
    calibration_study: Annotated[
        bool,
        typer.Option("--calibration-study", help="Also the drop by calibration images: slow."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write the accuracy-drop report, float against INT8; exit code 3 over the budget."""
    from . import verbs

    verbs.report(bundle, limit, max_drop, workers, calibration_study, as_json)


@app.command(
    epilog="Example: hexdet detect build/heads street.jpg --score 0.4; "
    "hexdet detect build/heads street.mp4 --track; "
    "hexdet detect build/heads rtsp://camera/stream --serve 127.0.0.1:8080"
)
def detect(
    bundle: BundleFolder,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="An image, folder, pattern or video, a camera's number, an rtsp or http address.",
        ),
    ],
    output: Annotated[Path, typer.Option("--out", help="Where results go.")] = Path("detections"),
    save: Annotated[
        list[SaveChoice] | None,
        typer.Option(help="Repeatable; else what suits the source, of a live one nothing."),
    ] = None,
    backend: Annotated[
        PlaceChoice, typer.Option(help="auto: a Snapdragon board's own DSP, else the CPU.")
    ] = PlaceChoice.auto,
    precision: Annotated[PrecisionChoice, typer.Option()] = PrecisionChoice.int8,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the network on the CPU; else all cores but one.")
    ] = None,
    score: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Least score.")] = None,
    max_frames: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many frames.")
    ] = None,
    track: Annotated[bool, typer.Option("--track", help="Give every object an identity.")] = False,
    serve: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Show the stream on a web page.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; of a stream one line a frame.")
    ] = False,
) -> None:
    """Detect objects in images, a video or a live stream.

    Of images, annotated images and detections.json are written.

    Of a video, an annotated video and JSON lines, one a frame.

    Of a camera or stream nothing, but with --save; the newest frame wins.

    Ctrl-C ends it with exit code 130 and keeps what was processed.
    """
    quiet_video_libraries()
    from .detecting import Wishes
    from .detecting import detect as run

    wishes = Wishes(
        output=output,
        save=[choice.value for choice in save or ()],
        backend=backend.value,
        precision=precision.value,
        threads=threads,
        score=score,
        max_frames=max_frames,
        track=track,
        serve=serve,
        as_json=as_json,
    )
    code = run(bundle, source, wishes)
    if code != 0:
        raise typer.Exit(code)


@app.command(epilog="Example: hexdet networks bccd bccd_tiny")
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
    from . import networks_verb

    networks_verb.networks(recipes or [], as_json, as_markdown)


def _recipe(name: str, overrides: list[str] | None) -> Recipe:
    from .recipe import load_recipe

    return load_recipe(name, overrides or ())


def main() -> None:
    """Run the command line; a user's error ends in one line, a bug keeps its traceback."""
    _speak_utf8()
    # Third-party libraries warn through the root logger; what concerns a user is an error of ours.
    logging.basicConfig(level=logging.ERROR, format="%(message)s")
    # An order to end unwinds like any error, so that temporary folders and started tools go too.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        app()
    except HexdetError as error:
        _end(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        _end(f"{error}: this verb needs `pip install 'hexdet[toolchain]'`", 1)
    except OSError as error:
        if error.errno not in USER_ERRORS:
            raise
        where = f" {error.filename}" if error.filename else ""
        _end(f"{error.strerror}:{where}", 1)


def _speak_utf8() -> None:
    """Begin again in Python's UTF-8 mode where an old locale would garble the names of files."""
    if sys.getfilesystemencoding() != "utf-8":
        os.environ["PYTHONUTF8"] = "1"  # for the processes of the emulator, too
        os.execv(sys.executable, [sys.executable, "-m", "hexdet", *sys.argv[1:]])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # as standard error, which escapes


def _end(text: str, code: int) -> None:
    from .console import fail

    fail(text)
    sys.exit(code)


if __name__ == "__main__":
    main()
