"""The accuracy-drop report: float, INT8 on the CPU and INT8 on the HTP, same images, same code."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from .. import __version__
from ..datasets.opening import open_split
from ..evaluation.graph_cost import GraphCost, graph_cost
from ..evaluation.running import Evaluation, evaluate
from ..recipe import Recipe
from ..runtime.backend import Backend, CpuBackend, graph_path
from ..runtime.contract import load_contract
from ..runtime.detector import Detector
from ..runtime.files import sha256_of, to_json, write_text
from ..runtime.htp import HtpBackend

FILE_NAME = "report.json"
SCHEMA_VERSION = 1
ARTIFACTS = ("float.onnx", "int8.onnx", "float.dlc", "int8.dlc")

Progress = Callable[[str, int, int], None]
"""Called after every image with the backend's name, how many are done and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One backend's score.

    drop_*: points of AP (0 to 100) lost against float, negative where it gained; None for float.
    """

    key: str
    backend: str
    ap50: float
    ap: float
    per_class_ap50: dict[str, float]
    per_class_ap: dict[str, float]
    drop_ap50: float | None
    drop_ap: float | None
    detections: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What is in int8.dlc: operators by type, the encoding audit, the lint's remarks."""

    operators: dict[str, int] = dataclasses.field(default_factory=dict)
    audit: str = "not run"
    remarks: list[dict[str, str]] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole of `report.json`.

    sizes: bytes by file; dropped: annotations that were left out; inputs: what decides the report.
    placement: what the caller knows of int8.dlc: its operators with their counts, the encoding
        audit in one line, the lint's remarks.
    """

    schema: int
    name: str
    network: str
    dataset: str
    images: int
    images_available: int
    objects: int
    classes: list[str]
    arch: int
    parameters: int
    macs: int
    sizes: dict[str, int]
    rows: list[Row]
    dropped: list[dict[str, str]]
    inputs: dict[str, str]
    versions: dict[str, str]
    placement: Placement

    def row(self, key: str) -> Row:
        """Return the row 'float', 'int8_cpu' or 'int8_htp'."""
        return next(row for row in self.rows if row.key == key)

    def save(self, folder: Path) -> Path:
        """Write `report.json`; numbers that are not known are null."""
        return write_text(folder / FILE_NAME, to_json(dataclasses.asdict(self)))


def make_report(
    bundle: Path,
    recipe: Recipe,
    versions: dict[str, str],
    *,
    placement: Placement,
    limit: int | None = None,
    progress: Progress = lambda backend, done, total: None,
) -> Report:
    """Score a bundle's graphs on the recipe's test images (the first `limit`).

    Raises ArtifactError where the bundle is incomplete, ToolError where the emulator fails.
    """
    contract = load_contract(bundle)
    dataset = open_split(recipe.data, "test")
    arch = recipe.export.target_arch
    openers: dict[str, Callable[[], Backend]] = {
        "float": lambda: CpuBackend(bundle, contract, "float"),
        "int8_cpu": lambda: CpuBackend(bundle, contract, "int8"),
        "int8_htp": lambda: HtpBackend(
            bundle, contract, arch=arch, time_limit_s=recipe.export.time_limit_s
        ),
    }
    cost = _cost(bundle)
    inputs = report_inputs(bundle, recipe, versions)
    runs: dict[str, Evaluation] = {}
    for key, opener in openers.items():
        with Detector(contract, opener()) as detector:
            runs[key] = evaluate(
                detector,
                dataset,
                score=recipe.evaluation.score,
                limit=limit,
                progress=lambda done, total, name=detector.backend.name: progress(  # type: ignore[misc]
                    name, done, total
                ),
            )
    reference = runs["float"].accuracy
    return Report(
        schema=SCHEMA_VERSION,
        name=contract.name,
        network=contract.network,
        dataset=dataset.name,
        images=reference.images,
        images_available=len(dataset),
        objects=reference.objects,
        classes=list(contract.classes),
        arch=arch,
        parameters=cost.parameters,
        macs=cost.macs,
        sizes={n: (bundle / n).stat().st_size for n in ARTIFACTS if (bundle / n).is_file()},
        rows=[_row(key, run, runs["float"]) for key, run in runs.items()],
        dropped=[dataclasses.asdict(d) for d in dataset.dropped],
        inputs=inputs,
        versions={"hexdet": __version__, **versions},
        placement=placement,
    )


def report_inputs(bundle: Path, recipe: Recipe, versions: dict[str, str]) -> dict[str, str]:
    """Return what decides a report, as sha256 by name: files, test images, thresholds, versions."""
    names = ("detector.json", *ARTIFACTS)
    inputs = {name: sha256_of(bundle / name) for name in names if (bundle / name).is_file()}
    inputs["test images"] = open_split(recipe.data, "test").fingerprint()
    settings = {
        "evaluation": recipe.evaluation.model_dump(),
        "arch": recipe.export.target_arch,
        "versions": versions,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    inputs["settings and versions"] = digest.hexdigest()
    return inputs


def load_report(bundle: Path, recipe: Recipe, versions: dict[str, str]) -> Report | None:
    """Read a bundle's report, None where there is none or anything that decides it has changed."""
    try:
        content = json.loads((bundle / FILE_NAME).read_text(encoding="utf-8"))
        current = report_inputs(bundle, recipe, versions)
        if content["schema"] != SCHEMA_VERSION or content["inputs"] != current:
            return None
        rows = [Row(**{**row, **_with_nan(row)}) for row in content.pop("rows")]
        placement = Placement(**content.pop("placement"))
        return Report(rows=rows, placement=placement, **content)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _cost(bundle: Path) -> GraphCost:
    return graph_cost(onnx.load(graph_path(bundle, "float")))


def _row(key: str, run: Evaluation, reference: Evaluation) -> Row:
    accuracy, base = run.accuracy, reference.accuracy
    is_reference = run is reference
    return Row(
        key=key,
        backend=run.backend,
        ap50=accuracy.ap50,
        ap=accuracy.ap,
        per_class_ap50=accuracy.per_class_ap50,
        per_class_ap=accuracy.per_class_ap,
        drop_ap50=None if is_reference else 100 * (base.ap50 - accuracy.ap50),
        drop_ap=None if is_reference else 100 * (base.ap - accuracy.ap),
        detections=sum(len(d) for d in run.detections),
        seconds=run.seconds,
    )


def _with_nan(row: dict[str, Any]) -> dict[str, Any]:
    """Turn the nulls of a stored row's scores back into nan."""
    restored: dict[str, Any] = {}
    for key in ("ap50", "ap"):
        restored[key] = float("nan") if row[key] is None else row[key]
        per_class = row[f"per_class_{key}"]
        restored[f"per_class_{key}"] = {
            k: float("nan") if v is None else v for k, v in per_class.items()
        }
    return restored
