"""Making the accuracy-drop report of a bundle."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx

from ... import __version__
from ...datasets.opening import open_split
from ...datasets.record import Dataset
from ...evaluation.average_precision import Accuracy, accuracy_of
from ...evaluation.bootstrap import Resampling
from ...evaluation.flips import SAME_PLACE_IOU, count_flips, find_flips
from ...evaluation.graph_cost import graph_cost
from ...evaluation.landmark_error import landmark_error
from ...evaluation.matching import match
from ...evaluation.scores import score_all
from ...recipe import Recipe
from ...runtime.backend import graph_path
from ...runtime.contract import DetectorContract, load_contract
from ..advice import AdvisedLayerError
from .breakdown import Scored, break_down, precision_curves, swap_heads
from .calibration_study import Requantize, study_calibration
from .encodings_held import summarise_encodings
from .inputs import ARTIFACTS, report_inputs
from .measuring import Measured, measure
from .schema import (
    FLOAT,
    GRAPHS,
    INT8_HTP,
    SCHEMA_VERSION,
    CalibrationStudy,
    Flips,
    Placement,
    Report,
    Row,
)
from .verdict import judge

SHOWN_FLIPS = 16

Progress = Callable[[str, int, int], None]
"""Called after every step with what is done, how many steps are, and how many there are."""


def make_report(
    bundle: Path,
    recipe: Recipe,
    versions: dict[str, str],
    *,
    placement: Placement,
    limit: int | None = None,
    workers: int | None = None,
    max_drop: float | None = None,
    layers: list[AdvisedLayerError] | None = None,
    requantize: Requantize | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Score a bundle's graphs on the recipe's test images (the first `limit`).

    workers: emulators at once, one a core where None. max_drop: the budget in points, the recipe's
    where None. layers: the per-layer errors, where they were measured (see `Report`). requantize:
    what the study of the calibration images quantizes with; no study where None.
    Raises ArtifactError where the bundle is incomplete, ToolError where the emulator fails.
    """
    contract = load_contract(bundle)
    dataset = open_split(recipe.data, "test")
    inputs = report_inputs(bundle, recipe, versions)
    cost = graph_cost(onnx.load(graph_path(bundle, "float")))
    measured = measure(
        bundle,
        contract,
        recipe,
        dataset,
        limit=limit,
        workers=workers,
        progress=functools.partial(progress, "float, INT8 on the CPU and on the HTP"),
    )
    study = None
    if requantize is not None:
        study = _study(bundle, recipe, dataset, requantize, limit, progress)
    scored, accuracies = _score(measured, contract)
    least = contract.thresholds.of_classes(contract.classes)
    rows = [_row(key, measured, scored, accuracies[key], least) for key in GRAPHS]
    images = len(measured.truths)
    budget = recipe.evaluation.max_drop if max_drop is None else max_drop
    arch = recipe.export.target_arch
    return Report(
        schema=SCHEMA_VERSION,
        name=contract.name,
        network=contract.network,
        dataset=dataset.name,
        images=images,
        images_available=len(dataset),
        objects=accuracies[FLOAT].objects,
        classes=list(contract.classes),
        arch=arch,
        parameters=cost.parameters,
        macs=cost.macs,
        sizes={n: (bundle / n).stat().st_size for n in ARTIFACTS if (bundle / n).is_file()},
        verdict=judge(rows[-1], budget=budget, arch=arch, images=images),
        rows=rows,
        interval_method=scored.resampling.describe(),
        breakdown=break_down(scored, contract, measured.placements),
        swaps=swap_heads(scored),
        flips=_flips(scored, contract, measured.names),
        curves=precision_curves(scored),
        layers=layers,
        calibration_study=study,
        encodings=summarise_encodings(bundle, contract),
        dropped=[dataclasses.asdict(d) for d in dataset.dropped],
        inputs=inputs,
        versions={"hexdet": __version__, **versions},
        placement=placement,
    )


def _study(
    bundle: Path,
    recipe: Recipe,
    dataset: Dataset,
    requantize: Requantize,
    limit: int | None,
    progress: Progress,
) -> CalibrationStudy:
    return study_calibration(
        bundle,
        dataset,
        requantize,
        score=recipe.evaluation.score,
        available=len(open_split(recipe.data, "train")),
        limit=limit,
        progress=functools.partial(progress, "quantizing anew with other calibration images"),
    )


def _score(measured: Measured, contract: DetectorContract) -> tuple[Scored, dict[str, Accuracy]]:
    """Match every graph's detections once; all figures come from that."""
    most = contract.thresholds.max_detections
    matches = {key: match(measured.truths, found, most) for key, found in measured.found.items()}
    accuracies = {key: accuracy_of(m, contract.classes) for key, m in matches.items()}
    resampling = Resampling.draw(len(measured.truths))
    return Scored.of(matches, contract.classes, resampling), accuracies


def _row(
    key: str,
    measured: Measured,
    scored: Scored,
    accuracy: Accuracy,
    least: npt.NDArray[np.float32],
) -> Row:
    drop_ap50 = scored.ap50(key).drop_from(scored.ap50(FLOAT))
    drop_ap = scored.ap(key).drop_from(scored.ap(FLOAT))
    is_reference = key == FLOAT
    others = score_all(measured.truths, measured.found[key], scored.classes, ("voc", "mr"))
    assert others.voc is not None  # both were asked for
    assert others.mr is not None
    return Row(
        key=key,
        backend=measured.backends[key],
        ap50=accuracy.ap50,
        ap=accuracy.ap,
        voc_ap50=others.voc.mean,
        miss_rate=others.mr.mean,
        ap50_interval=scored.ap50(key).interval(),
        drop_ap50=None if is_reference else drop_ap50.value,
        drop_ap50_interval=None if is_reference else drop_ap50.interval(),
        drop_ap=None if is_reference else drop_ap.value,
        drop_ap_interval=None if is_reference else drop_ap.interval(),
        per_class_ap50=accuracy.per_class_ap50,
        per_class_ap=accuracy.per_class_ap,
        detections=sum(len(d) for d in measured.found[key]),
        seconds=measured.seconds[key],
        landmarks=landmark_error(measured.truths, measured.found[key], least),
    )


def _flips(scored: Scored, contract: DetectorContract, names: list[str]) -> Flips:
    reference, other = scored.matches[FLOAT], scored.matches[INT8_HTP]
    thresholds = contract.thresholds
    least = thresholds.of_classes(contract.classes)
    worst = find_flips(reference, other, least)[:SHOWN_FLIPS]
    return Flips(
        scores={n: thresholds.per_class.get(n, thresholds.score) for n in contract.classes},
        iou=SAME_PLACE_IOU,
        counts=count_flips(reference, other, least),
        worst=worst,
        image_names=[names[flip.image] for flip in worst],
    )
