"""The verb `evaluate`: one graph of a bundle on annotated images, by every usual figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.markup import escape
from rich.table import Table

from ...benchmarks.results import Result, recorder
from ...datasets.opening import Split, open_split
from ...datasets.record import Dataset
from ...errors import UsageError
from ...evaluation.coco_metrics import MAX_DETECTIONS, CocoMetrics
from ...evaluation.curves import Ranking
from ...evaluation.landmark_error import landmark_error
from ...evaluation.operating_points import OperatingPoint, at_fppi, at_score, together
from ...evaluation.parallel import DetectorPool, worker_count
from ...evaluation.running import Evaluation
from ...evaluation.running import evaluate as run
from ...evaluation.scores import METRICS, Metric, Scores, score_all
from ...export.bundle import Bundle
from ...export.stages import STAGES
from ...recipe import Recipe
from ...runtime.backend import Precision, graph_path
from ...runtime.contract import load_contract
from ...runtime.detector import BackendName, Detector
from ...runtime.files import sha256_of
from ...runtime.targets import find_target, target_of_arch
from ..terminal import console
from .bench_results import remember

SIZES = ("small", "medium", "large")


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What is asked of `evaluate`.

    target: chip whose Hexagon is emulated, the recipe's where None. workers: emulators at once, one
    a core where None. scheduler: address of a Dask cluster that works instead. metrics: all where
    empty. operating_point: score threshold; fppi: false positives per image; where both are None
    the detector's own thresholds count. plots: folder for the drawings, none where None.
    results: file that remembers the AP of a whole split; that of some images compares with nothing.
    """

    backend: BackendName
    precision: Precision
    split: Split
    limit: int | None
    target: str | None
    workers: int | None
    scheduler: str | None
    metrics: Sequence[Metric]
    operating_point: float | None
    fppi: float | None
    plots: Path | None
    results: Path
    as_json: bool


def evaluate(folder: Path, wishes: Wishes) -> None:
    """Score one graph of a bundle and print it."""
    recipe = Bundle(folder, STAGES).recipe()
    least = recipe.evaluation.score
    if wishes.operating_point is not None and wishes.operating_point < least:
        raise UsageError(
            f"the operating point {wishes.operating_point:g} lies under the {least:g} from which "
            "detections are scored (evaluation.score): choose a higher one"
        )
    dataset = open_split(recipe.data, wishes.split)
    asked = wishes.target
    target = find_target(asked) if asked else target_of_arch(recipe.export.target_arch)
    result = score(
        folder,
        recipe,
        dataset,
        backend=wishes.backend,
        precision=wishes.precision,
        arch=target.arch,
        limit=wishes.limit,
        workers=wishes.workers,
        scheduler=wishes.scheduler,
        verb="evaluating",
    )
    metrics = wishes.metrics or METRICS
    scores = score_all(result.truths, result.detections, dataset.classes, metrics)
    own = _own_thresholds(folder)
    points = _points(scores.rankings, wishes, own)
    sure = np.asarray(list(own.values()), np.float32)
    landmarks = landmark_error(result.truths, result.detections, sure)
    if wishes.plots is not None:
        from ...evaluation.plots import save_plots

        title = f"{recipe.name} on {dataset.name}: {result.backend}"
        for path in save_plots(wishes.plots, scores.rankings, points, title=title):
            console.say(f"wrote {path}")
    if result.accuracy.images == len(dataset):
        chip = target.name if wishes.backend == "htp" else ""
        remember(_results(folder, wishes, result, chip), wishes.results)
    if wishes.as_json:
        known = {} if landmarks is None else {"landmarks": dataclasses.asdict(landmarks)}
        console.print_json({**_content(result, scores, points), **known})
        return
    console.out.print(_summary(result, dataset), markup=False)
    if scores.coco is not None:
        _coco_table(scores.coco)
    _class_table(scores, points, len(result.truths))
    if landmarks is not None:
        console.out.print(console.landmark_line(landmarks), markup=False)


def score(
    folder: Path,
    recipe: Recipe,
    dataset: Dataset,
    *,
    backend: BackendName,
    precision: Precision,
    arch: int,
    limit: int | None,
    workers: int | None = None,
    scheduler: str | None = None,
    verb: str = "scoring",
) -> Evaluation:
    """Return what one graph of a bundle finds on the first `limit` images, and its score.

    workers: emulators at once, one a core where None; onnxruntime's CPU provider has its threads.
    scheduler: address of a Dask cluster whose workers see the same paths; None is this machine.
    """
    images = len(dataset) if limit is None else min(limit, len(dataset))
    count = worker_count(workers, images) if backend == "htp" else 1
    where = folder.resolve()  # a worker of a cluster starts in another folder

    def open_one() -> Detector:
        return Detector.load(where, backend=backend, precision=precision, arch=arch)

    def open_pool() -> DetectorPool:
        if scheduler is None:
            return DetectorPool(open_one, count)
        from ...evaluation.cluster import ClusterPool

        return ClusterPool(open_one, scheduler)

    with (
        open_pool() as pool,
        console.bar(f"{verb} {pool.detectors[0].backend.name}") as step,
    ):
        return run(pool, dataset, score=recipe.evaluation.score, limit=limit, progress=step)


def _results(folder: Path, wishes: Wishes, result: Evaluation, target: str) -> list[Result]:
    """Return the AP of a whole split, to be remembered."""
    graph = graph_path(folder, wishes.precision)
    record = recorder(
        artifact=f"{folder.resolve().name}/{graph.name}",
        sha256=sha256_of(graph),
        backend=result.backend,
        target=target,
    )
    accuracy = result.accuracy
    return [
        record(f"{name}_{wishes.split}", value, "1", n=accuracy.images)
        for name, value in (("ap50", accuracy.ap50), ("ap", accuracy.ap))
    ]


def _own_thresholds(folder: Path) -> dict[str, float]:
    contract = load_contract(folder)
    own = contract.thresholds
    return {name: own.per_class.get(name, own.score) for name in contract.classes}


def _points(
    rankings: Mapping[str, Ranking], wishes: Wishes, own: Mapping[str, float]
) -> dict[str, OperatingPoint]:
    """Return the operating point of every class."""
    if wishes.fppi is not None:
        return {name: at_fppi(ranking, wishes.fppi) for name, ranking in rankings.items()}
    if wishes.operating_point is not None:
        own = dict.fromkeys(own, wishes.operating_point)
    return {name: at_score(ranking, own[name]) for name, ranking in rankings.items()}


def _content(
    result: Evaluation, scores: Scores, points: Mapping[str, OperatingPoint]
) -> dict[str, Any]:
    figures = {
        field.name: getattr(scores, field.name)
        for field in dataclasses.fields(scores)
        if field.name != "rankings"
    }
    return {
        "backend": result.backend,
        **dataclasses.asdict(result.accuracy),
        **{name: dataclasses.asdict(v) for name, v in figures.items() if v is not None},
        "operating_point": dataclasses.asdict(together(points, len(result.truths))),
        "operating_points": {name: dataclasses.asdict(point) for name, point in points.items()},
    }


def _summary(result: Evaluation, dataset: Dataset) -> str:
    accuracy = result.accuracy
    rows = ", ".join(f"{k} {console.share(v)}" for k, v in accuracy.per_class_ap50.items())
    return (
        f"{result.backend}, {dataset.name}, {accuracy.images} of {len(dataset)} images: "
        f"AP@0.5 {console.share(accuracy.ap50)}, AP@0.5:0.95 {console.share(accuracy.ap)} ({rows})"
    )


def _coco_table(coco: CocoMetrics) -> None:
    """Print COCO's twelve figures, precision and recall one below the other."""
    title = f"COCO: at most {MAX_DETECTIONS} detections of an image and class, sizes in its pixels"
    table = Table(title=title, **console.LEFT)
    table.add_column("")
    headings = ("0.5:0.95", "0.5", "0.75", "1 det.", "10 det.", "100 det.", *SIZES)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    share = console.share
    table.add_row(
        "AP", share(coco.ap), share(coco.ap50), share(coco.ap75), "", "", "",
        share(coco.ap_small), share(coco.ap_medium), share(coco.ap_large),
    )  # fmt: skip
    table.add_row(
        "AR", "", "", "", share(coco.ar_1), share(coco.ar_10), share(coco.ar_100),
        share(coco.ar_small), share(coco.ar_medium), share(coco.ar_large),
    )  # fmt: skip
    console.out.print(table)


def _class_table(scores: Scores, points: Mapping[str, OperatingPoint], images: int) -> None:
    """Print a line a class: the other figures at IoU 0.5, and the operating point."""
    table = Table(title="IoU 0.5, by class, and the operating point", **console.LEFT)
    table.add_column("class")
    figures = [
        (heading, figure)
        for heading, figure in (
            ("AP\nVOC07", scores.voc07),
            ("AP\nVOC", scores.voc),
            ("MR\u207b\u00b2", scores.mr),
        )
        if figure is not None
    ]
    for heading, _ in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("score", "miss\nrate", "FPPI", "precision", "found", "false\nalarms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, point in points.items():
        values = [console.share(figure.per_class[name]) for _, figure in figures]
        table.add_row(escape(name), *values, *_cells(point))
    if len(points) > 1:
        means = [console.share(figure.mean) for _, figure in figures]
        table.add_row("mean, all", *means, *_cells(together(points, images)))
    console.out.print(table)


def _cells(point: OperatingPoint) -> list[str]:
    return [
        "" if point.score is None else f"{point.score:.9g}",
        console.share(point.miss_rate),
        console.share(point.fppi),
        console.share(point.precision),
        f"{point.hits} of {point.objects}",
        f"{point.false_alarms:,}",
    ]
