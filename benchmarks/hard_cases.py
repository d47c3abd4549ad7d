"""The hard cases: trained networks of other people, carried through and measured.

A person detector that TensorFlow trained for 8 bits keeps its published score; a face detector
that nobody trained for them finds the same faces. Their files lie in `models/` beside the data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..datasets.opening import data_root, open_split
from ..datasets.record import Dataset
from ..evaluation.average_precision import area_under
from ..evaluation.curves import rank
from ..evaluation.found_again import found_again
from ..evaluation.matching import match
from ..evaluation.running import Evaluation, evaluate
from ..export.bundle import Bundle
from ..export.pipeline import export_foreign
from ..export.stages import Watcher
from ..recipe import Recipe, load_recipe
from ..runtime.backend import Backend, CpuBackend
from ..runtime.contract import load_contract
from ..runtime.detector import Detector
from ..runtime.htp import HtpBackend

CONTRACTS = Path(__file__).parents[1] / "export" / "contracts"
PUBLISHED_PERSON_AP = 0.729
"""Person AP@0.5 of the float weights on these images, as their independent reference gives it."""
LEAST_IOU = 0.5

Progress = Callable[[str, int, int], None]
"""Called after every image with what runs, how many are done and how many there are."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One form of the person detector. ap50: COCO's; area_ap50: the area under the same curve.

    drop: points of area_ap50 against float, None for float itself.
    """

    backend: str
    area_ap50: float
    ap50: float
    drop: float | None


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """How many of the float faces from `score` up one INT8 form finds, at half that score."""

    backend: str
    score: float
    found: int
    faces: int


def models_root() -> Path:
    """Return the folder of the foreign networks, beside the data folder."""
    return data_root().parent / "models"


def measure_persons(
    build: Path,
    *,
    limit: int | None = None,
    progress: Progress = lambda what, done, total: None,
) -> list[Score]:
    """Import SSD-MobileNetV1 into `build` and score it: float, INT8, INT8 on the emulated HTP.

    limit: of the images. Raises ArtifactError or DataError where the network or the images are
    missing, ToolError where the emulator fails.
    """
    graph = models_root() / "ssd_mobilenet_v1_coco" / "detect.tflite"
    bundle, recipe = _bundle(graph, "coco_ssd_mobilenet_v1", build)
    dataset = open_split(recipe.data, "test")
    runs = _run_all(bundle, recipe, dataset, recipe.evaluation.score, limit, progress)
    scores: list[Score] = []
    for run in runs:
        area = _area_ap50(run, recipe.evaluation.max_detections)
        scores.append(
            Score(
                backend=run.backend,
                area_ap50=area,
                ap50=run.accuracy.ap50,
                drop=100 * (scores[0].area_ap50 - area) if scores else None,
            )
        )
    return scores


def measure_faces(
    build: Path,
    *,
    limit: int | None = None,
    progress: Progress = lambda what, done, total: None,
) -> list[Fidelity]:
    """Import RFB-320 into `build` and count the float faces on photographs that INT8 finds too.

    A face is found where INT8 has it at half the recipe's default score or more, IoU 0.5. Raises
    as `measure_persons` does.
    """
    graph = models_root() / "ultra_light_face" / "version-RFB-320.onnx"
    bundle, recipe = _bundle(graph, "rfb320", build)
    dataset, score = open_split(recipe.data, "test"), recipe.evaluation.default_score
    reference, *others = _run_all(bundle, recipe, dataset, score / 2, limit, progress)
    rows = []
    for run in others:
        found, faces = found_again(
            reference.detections, run.detections, score=score, least_iou=LEAST_IOU
        )
        rows.append(Fidelity(backend=run.backend, score=score, found=found, faces=faces))
    return rows


def describe(persons: Sequence[Score], faces: Sequence[Fidelity]) -> str:
    """Return both tables as text."""
    width = max(len(name) for name in [row.backend for row in persons] + [v.backend for v in faces])
    lines = [f"{'person detector':{width}}  area AP@0.5  AP@0.5   drop"]
    lines.append(f"{'published, float weights':{width}}  {PUBLISHED_PERSON_AP:11.4f}")
    for row in persons:
        drop = "" if row.drop is None else f"{row.drop:+.2f}"
        lines.append(f"{row.backend:{width}}  {row.area_ap50:11.4f}  {row.ap50:6.4f}  {drop:>5}")
    lines += ["", f"{'face detector':{width}}  float faces found"]
    lines += [f"{v.backend:{width}}  {v.found} of {v.faces} from {v.score} up" for v in faces]
    return "\n".join(lines)


def _bundle(graph: Path, contract: str, build: Path) -> tuple[Bundle, Recipe]:
    """Make or refresh the bundle of a foreign network."""
    recipe = load_recipe(str(CONTRACTS / f"{contract}.yaml"), [f"network.name={graph.stem}"])
    return export_foreign(recipe, graph, build / recipe.name, Watcher()), recipe


def _run_all(
    bundle: Bundle,
    recipe: Recipe,
    dataset: Dataset,
    score: float,
    limit: int | None,
    progress: Progress,
) -> list[Evaluation]:
    """Run float on the CPU, INT8 on the CPU and INT8 on the emulated HTP, in this order."""
    folder, export = bundle.folder, recipe.export
    contract = load_contract(folder)
    openers: tuple[Callable[[], Backend], ...] = (
        lambda: CpuBackend(folder, contract, "float"),
        lambda: CpuBackend(folder, contract, "int8"),
        lambda: HtpBackend(
            folder, contract, arch=export.target_arch, time_limit_s=export.time_limit_s
        ),
    )
    runs = []
    for opener in openers:
        with Detector(contract, opener()) as detector:
            name = detector.backend.name
            runs.append(
                evaluate(
                    detector,
                    dataset,
                    score=score,
                    limit=limit,
                    progress=lambda done, total, name=name: progress(name, done, total),  # type: ignore[misc]
                )
            )
    return runs


def _area_ap50(run: Evaluation, max_detections: int) -> float:
    return area_under(rank(match(run.truths, run.detections, max_detections), label=1))
