"""The verb `bench`: one subcommand a measurement. Heavy imports happen inside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    RESULTS,
    AsJson,
    BuildFolder,
    BundleFolder,
    Limit,
    Overrides,
    PrecisionChoice,
    RecipeName,
    ResultsFile,
)
from ..terminal.quiet import quiet_video_libraries
from .bench_adb import bench_adb

bench = typer.Typer(
    help="Measure what is finished: on this machine, its emulator, and devices over adb.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


bench.command("adb", epilog="Example: hexdet bench adb build/heads --runtime dsp --profile burst")(
    bench_adb
)


@bench.command("video", epilog="Example: hexdet bench video build/heads street.mp4")
def bench_video(
    bundle: BundleFolder,
    video: Annotated[
        Path | None, typer.Argument(metavar="VIDEO", help="Else one of rendered scenes is made.")
    ] = None,
    frames: Annotated[int, typer.Option(min=1, help="Of the video, from its start.")] = 500,
    rounds: Annotated[int, typer.Option(min=1, help="Of which the median counts.")] = 3,
    precision: Annotated[PrecisionChoice, typer.Option()] = PrecisionChoice.int8,
    threads: Annotated[int, typer.Option(min=1, help="Of the network.")] = 1,
    write: Annotated[bool, typer.Option(help="Whether to draw, encode and write, too.")] = True,
    as_json: AsJson = False,
) -> None:
    """Compare the video pipeline with its slowest stage alone, over the same frames."""
    quiet_video_libraries()
    import dataclasses

    from ...benchmarks.video import describe, measure
    from ..terminal import console

    with console.bar("timing the stages and the pipeline"):
        pace = measure(
            bundle,
            video,
            frames=frames,
            rounds=rounds,
            precision=precision.value,
            threads=threads,
            write=write,
        )
    content = {**dataclasses.asdict(pace), "slowest": pace.slowest}
    console.show(content, describe(pace), as_json=as_json)


@bench.command("postprocess", epilog="Example: hexdet bench postprocess build/heads --repeat 50")
def bench_postprocess(
    bundle: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="Whose outputs on test images are recorded.")
    ] = Path("build/heads"),
    repeat: Annotated[int, typer.Option(min=1, help="Rounds over every image.")] = 10,
    images: Annotated[int, typer.Option(min=1, help="Test images to record outputs of.")] = 12,
    as_json: AsJson = False,
) -> None:
    """Time the post-processing on 8-bit codes beside the ways that compute everything.

    Also counts what differs from the plain reading; exit code 3 if anything does.
    """
    from ..verbs.bench import bench_postprocess as run

    run(bundle, images, repeat, as_json)


@bench.command("hard-cases", epilog="Example: hexdet bench hard-cases --limit 20")
def bench_hard_cases(
    limit: Limit = None, build: BuildFolder = Path("build"), as_json: AsJson = False
) -> None:
    """Carry two networks of other people through and compare them with what they could do.

    They are a person and a face detector, in the folder `models` beside HEXDET_DATA.
    """
    import dataclasses

    from ...benchmarks.hard_cases import describe, measure_faces, measure_persons
    from ..terminal import console

    with console.bar("the face detector") as step:
        faces = measure_faces(build, limit=limit, progress=lambda _, *counts: step(*counts))
    with console.bar("the person detector") as step:
        persons = measure_persons(build, limit=limit, progress=lambda _, *counts: step(*counts))
    content = {
        "persons": [dataclasses.asdict(row) for row in persons],
        "faces": [dataclasses.asdict(row) for row in faces],
    }
    console.show(content, describe(persons, faces), as_json=as_json)


@bench.command("stress", epilog="Example: hexdet bench stress --limit 50")
def bench_stress(
    limit: Limit = None,
    factor: Annotated[float, typer.Option(min=1, help="Largest factor of a channel.")] = 100.0,
    adaround: Annotated[
        bool, typer.Option("--adaround", help="The rows with AdaRound, too: far longer.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Quantize a network whose channels differ ten thousand times, with each method.

    Needs AIMET. Exit code 3 where plain INT8 does not break it, or equalisation does not mend it.
    """
    from ..verbs.bench import bench_stress as run

    run(limit, factor, adaround, as_json)


@bench.command("preprocess", epilog="Example: hexdet bench preprocess")
def bench_preprocess(as_json: AsJson = False) -> None:
    """Time the preprocessing of 1280x720 beside the bare OpenCV calls."""
    import dataclasses

    from ...benchmarks.preprocess import describe, measure
    from ..terminal import console

    cost = measure()
    console.show(dataclasses.asdict(cost), describe(cost), as_json=as_json)


@bench.command("call", epilog="Example: hexdet bench call build/heads")
def bench_call(
    bundle: BundleFolder,
    precision: Annotated[PrecisionChoice, typer.Option()] = PrecisionChoice.int8,
    images: Annotated[int, typer.Option(min=1, help="Test images to take turns.")] = 8,
    as_json: AsJson = False,
) -> None:
    """Time what a call of the detector costs beyond the network itself, on one core."""
    from ..verbs.bench import bench_call as run

    run(bundle, precision.value, images, as_json)


@bench.command("evaluation", epilog="Example: hexdet bench evaluation build/heads")
def bench_evaluation(
    bundle: BundleFolder,
    images: Annotated[int, typer.Option(min=2, help="Test images for each side.")] = 24,
    as_json: AsJson = False,
) -> None:
    """Compare evaluation on one emulator with one on every core."""
    from ..verbs.bench import bench_evaluation as run

    run(bundle, images, as_json)


@bench.command("calibration", epilog="Example: hexdet bench calibration build/heads")
def bench_calibration(bundle: BundleFolder) -> None:
    """Measure calibration: peak memory at 50 and 500 images, time beside onnxruntime's min-max."""
    from ...benchmarks.calibration import main

    main([str(bundle)])


@bench.command("metrics", epilog="Example: hexdet bench metrics --classes 80")
def bench_metrics(
    images: Annotated[int, typer.Option(min=1, help="Of the seeded case.")] = 5000,
    detections: Annotated[int, typer.Option(min=0, help="Of each image.")] = 20,
    classes: Annotated[int, typer.Option(min=1)] = 1,
    as_json: AsJson = False,
) -> None:
    """Time scoring beside pycocotools on a seeded case, and hold their figures together.

    Exit code 3 where they differ.
    """
    from ..verbs.bench import bench_metrics as run

    run(images, detections, classes, as_json)


@bench.command("loading", epilog="Example: hexdet bench loading bccd")
def bench_loading(
    recipe: RecipeName,
    overrides: Overrides = None,
    images: Annotated[int, typer.Option(min=1, help="Of the training split.")] = 128,
    as_json: AsJson = False,
) -> None:
    """Compare how fast a training's images come with how fast its network takes them."""
    from ..verbs.bench import bench_loading as run

    run(recipe, overrides or [], images, as_json)


@bench.command("cost", epilog="Example: hexdet bench cost build/heads")
def bench_cost(
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="BUNDLE|FILE|RECIPE...", help="The first is what others compare with."
        ),
    ],
    sdk_info: Annotated[
        list[Path] | None,
        typer.Option("--sdk-info", help="What snpe-dlc-info printed, for its memory figure."),
    ] = None,
    page: Annotated[Path, typer.Option(help="Where the page is written.")] = Path(
        "build/cost.html"
    ),
    results: ResultsFile = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Count parameters, MACs, memory and traffic of bundles, ONNX and DLC files, and recipes.

    Nothing is run: a recipe's network is counted untrained, a bundle file by file.
    """
    from ..verbs.bench_results import bench_cost as run

    run(subjects, sdk_info or [], page, results, as_json)


@bench.command("history", epilog="Example: hexdet bench history --metric speedup")
def bench_history(
    metric: Annotated[
        list[str] | None, typer.Option("--metric", help="Only metrics whose name contains it.")
    ] = None,
    page: Annotated[Path, typer.Option(help="Where the page is written.")] = Path(
        "build/history.html"
    ),
    results: ResultsFile = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Show remembered figures over time."""
    from ..verbs.bench_results import bench_history as run

    run(results, metric or [], page, as_json)


@bench.command("check", epilog="Example: hexdet bench check")
def bench_check(
    expected: Annotated[
        Path | None, typer.Option(help="A folder of intervals, else hexdet's own.")
    ] = None,
    results: ResultsFile = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Hold the newest figures against the intervals where they are expected.

    Exit code 3 where one lies outside; what was not measured is told and does not fail.
    """
    from ..verbs.bench_results import bench_check as run

    run(results, expected, as_json)


@bench.command("host", epilog="Example: hexdet bench host build/heads --threads 2")
def bench_host(
    bundle: BundleFolder,
    images: Annotated[int, typer.Option(min=1, help="Test images to take turns.")] = 8,
    threads: Annotated[int, typer.Option(min=1, help="Of the network, each on its core.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Calls of each graph.")] = 50,
    top: Annotated[int, typer.Option(min=0, help="Slowest nodes to show.")] = 8,
    results: ResultsFile = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Time the float and the INT8 graph on this processor, in turns, and their memory and layers.

    The ratio of both is the figure that carries over; the times are this machine's.
    """
    from ..verbs.bench_host import bench_host as run

    run(bundle, images, threads, rounds, top, results, as_json)


@bench.command("emulator", epilog="Example: hexdet bench emulator build/heads --target SM8650")
def bench_emulator(
    bundle: BundleFolder,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="Chip; else the bundle's own.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Images to emulate, about a second each.")] = 2,
    sizes: Annotated[bool, typer.Option(help="Whether to compile for v68 to v79, too.")] = True,
    top: Annotated[int, typer.Option(min=0, help="Nodes to show.")] = 10,
    results: ResultsFile = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Show what the HTP's compiler makes of a bundle: placement, nodes, sizes of its binaries.

    Its times are host times of an emulation, never latency. Exit code 3 where nodes are left over.
    """
    from ..verbs.bench_host import bench_emulator as run

    run(bundle, target or [], runs, sizes, top, results, as_json)


@bench.command("compare", epilog="Example: hexdet bench compare build/heads build/heads/float.onnx")
def bench_compare(
    subjects: Annotated[
        list[str],
        typer.Argument(metavar="BUNDLE|FILE.onnx|torchvision:NAME...", help="What is compared."),
    ],
    recipe: Annotated[
        str | None, typer.Option(help="Whose test images; else those of the first bundle.")
    ] = None,
    images: Annotated[int, typer.Option(min=1, help="Test images.")] = 24,
    threads: Annotated[int, typer.Option(min=1, help="Of each network.")] = 1,
    page: Annotated[Path, typer.Option(help="Where the page is written.")] = Path(
        "build/compare.html"
    ),
    results: ResultsFile = RESULTS,
    as_json: AsJson = False,
) -> None:
    """Compare detectors on the same images: accuracy, time, memory, size.

    A bundle runs its INT8 graph; float.onnx in it is the float one. Of an ONNX file without a
    detector.json beside it only time, memory and size are measured.
    """
    from ..verbs.bench_host import bench_compare as run

    run(subjects, recipe, images, threads, page, results, as_json)
