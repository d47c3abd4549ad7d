"""Commands that show what a bundle's graphs are worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..options import (
    RESULTS,
    AsJson,
    BackendChoice,
    BundleFolder,
    Limit,
    MetricChoice,
    PrecisionChoice,
    ResultsFile,
    SplitChoice,
    Workers,
)

commands = typer.Typer()


@commands.command(epilog="Example: hexdet parity build/heads --limit 8")
def parity(
    bundle: BundleFolder,
    limit: Annotated[int, typer.Option(min=1, help="Test images to compare on.")] = 8,
    bisect: Annotated[
        bool, typer.Option("--bisect", help="Find the first bad layer of a failed rung.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Hold every form of the network against the last: PyTorch, ONNX, INT8, HTP, DLC, device."""
    from ..verbs.parity import parity as run

    run(bundle, limit, bisect, as_json)


@commands.command(
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
    from ..verbs.evaluate import Wishes
    from ..verbs.evaluate import evaluate as run

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


@commands.command(epilog="Example: hexdet report build/bccd --max-drop 0.5")
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
    from ..verbs.report import report as run

    run(bundle, limit, max_drop, workers, calibration_study, as_json)


@commands.command(epilog="Example: hexdet diagnose build/heads --backend htp --worst 10")
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
    from ..verbs.diagnose import diagnose as run

    run(bundle, backend.value, limit, worst, plots, as_json)


@commands.command(epilog="Example: hexdet dlc-info build/heads/int8.dlc --csv")
def dlc_info(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
) -> None:
    """Show the layers, encodings, parameters and MACs of a DLC, read from the file alone."""
    from ..verbs.dlc_files import dlc_info as run

    run(file, as_json, as_csv)


@commands.command(epilog="Example: hexdet dlc-diff old/int8.dlc build/heads/int8.dlc")
def dlc_diff(
    first: Annotated[Path, typer.Argument(metavar="A")],
    second: Annotated[Path, typer.Argument(metavar="B")],
    as_json: AsJson = False,
) -> None:
    """Show which layers, shapes, encodings and weights differ; exit code 3 if any does."""
    from ..verbs.dlc_files import dlc_diff as run

    if not run(first, second, as_json):
        raise typer.Exit(3)
