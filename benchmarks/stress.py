"""What each quantization method makes of a network that plain per-tensor INT8 cannot hold.

The network is a trained one with ReLU whose channels are rescaled without changing its function
(`rescaling`). Its weights and activations then span a factor of ten thousand within one tensor.

The calibration images matter more than the rescaling, since nothing caps what a ReLU gives on an
unusual one: the recipe takes ranges of least squared error, for with min-max equalisation alone
lost 2.6 to 3.6 points on other draws of 64 images.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import onnx

from ..calibration_data.images import CalibrationImages, read_calibration_set
from ..calibration_data.selection import choose
from ..datasets.opening import open_split
from ..datasets.record import Dataset, Record
from ..errors import UsageError
from ..evaluation.average_precision import score_detections
from ..export.onnx_graph import export_float
from ..quantization.encodings import encodings_of, output_encodings_of
from ..quantization.quantize import quantize_graph
from ..recipe import Recipe, load_recipe
from ..runtime.backend import GRAPHS, CpuBackend, Precision
from ..runtime.contract import DetectorContract
from ..runtime.detector import Detector
from ..runtime.scratch import scratch_folder
from ..training.checkpoint import load_checkpoint, shipped_checkpoint
from ..training.contract import contract_of
from .rescaling import rescale_channels

RECIPE = "heads_relu"
METHODS: dict[str, dict[str, Any]] = {
    "per tensor": {"weights": "per_tensor"},
    "per tensor, bias correction": {"weights": "per_tensor", "correct_bias": True},
    "per tensor, AdaRound": {"weights": "per_tensor", "rounding": "adaround"},
    "per tensor, CLE": {"weights": "per_tensor", "equalise": True},
    "per tensor, CLE, bias correction": {
        "weights": "per_tensor",
        "equalise": True,
        "correct_bias": True,
    },
    "per tensor, CLE, AdaRound": {
        "weights": "per_tensor",
        "equalise": True,
        "rounding": "adaround",
    },
    "per channel": {"weights": "per_channel"},
    "per channel, CLE": {"weights": "per_channel", "equalise": True},
}
"""The rows of the table: what each sets in the recipe's section `quantization`."""
QUICK = tuple(name for name in METHODS if "AdaRound" not in name)
"""Those that take seconds to minutes; AdaRound takes eight minutes of one core."""
PLAIN, EQUALISED = "per tensor", "per tensor, CLE"
LEAST_LOSS, MOST_LOSS = 20.0, 0.5
"""Points of AP@0.5 that plain INT8 must lose for the test to be one, and that CLE may lose."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to quantize. ap50: in percent; drop: against float, in points; minutes: its making.

    cpu_minutes: the same in seconds of processor time / 60, which other load does not change.
    """

    method: str
    ap50: float
    drop: float
    minutes: float
    cpu_minutes: float


@dataclass(frozen=True, kw_only=True)
class Stress:
    """The table. original: AP@0.5, percent, of the network before its channels were rescaled."""

    recipe: str
    factor: float
    seed: int
    ranges: str
    images: int
    original: float
    rescaled: float
    rows: list[Row]

    @property
    def passed(self) -> bool | None:
        """Tell whether plain INT8 breaks and CLE mends it; None where one was not measured."""
        drops = {row.method: row.drop for row in self.rows}
        if PLAIN not in drops or EQUALISED not in drops:
            return None
        return drops[PLAIN] >= LEAST_LOSS and drops[EQUALISED] <= MOST_LOSS


def measure(
    recipe_name: str = RECIPE,
    *,
    factor: float = 100.0,
    seed: int = 0,
    images: int | None = None,
    methods: Sequence[str] = QUICK,
    settings: dict[str, Any] | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Stress:
    """Rescale a recipe's trained network, quantize it in each way and score it.

    images: of the test split, all where None. settings: further keys of the section `quantization`
    for every row. Scored through onnxruntime's CPU provider. Raises UsageError for an unknown
    method, and what loading, quantizing and scoring raise.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise UsageError(f"unknown method {unknown[0]!r}; known: {', '.join(METHODS)}")
    recipe = load_recipe(recipe_name)
    contract = contract_of(recipe)
    network = load_checkpoint(shipped_checkpoint(recipe), recipe).network
    original = export_float(network, contract, recipe.export.opset).simplified
    rescaled = rescale_channels(original, factor=factor, seed=seed)
    calibration = _calibration(recipe, contract)
    tests = _InMemory(open_split(recipe.data, "test"), images)
    section = recipe.quantization.model_copy(update=settings or {})

    def score(model: onnx.ModelProto, precision: Precision, what: str) -> float:
        return _score(model, contract, precision, tests, recipe, lambda i, n: progress(what, i, n))

    before = score(original, "float", "scoring the network")
    base = score(rescaled, "float", "scoring the rescaled network")
    rows = []
    for name in methods:
        own = section.model_copy(update=METHODS[name])
        begun, spent = time.monotonic(), time.process_time()
        model = quantize_graph(
            rescaled,
            calibration,
            contract.input,
            own,
            lambda i, n, name=name: progress(f"quantizing {name}", i, n),  # type: ignore[misc]
        ).model
        minutes, cpu_minutes = (time.monotonic() - begun) / 60, (time.process_time() - spent) / 60
        encodings = output_encodings_of(encodings_of(model, own), contract.output_shapes())
        known = dataclasses.replace(contract, encodings=encodings)
        ap50 = _score(model, known, "int8", tests, recipe, lambda i, n: progress("scoring", i, n))
        rows.append(
            Row(method=name, ap50=ap50, drop=base - ap50, minutes=minutes, cpu_minutes=cpu_minutes)
        )
    return Stress(
        recipe=recipe.name,
        factor=factor,
        seed=seed,
        ranges=section.ranges,
        images=len(tests),
        original=before,
        rescaled=base,
        rows=rows,
    )


def describe(stress: Stress) -> str:
    """Return the table as text."""
    wide = max(len(row.method) for row in stress.rows) if stress.rows else 10
    lines = [
        f"{stress.recipe}, channels rescaled by up to {stress.factor:g} (seed {stress.seed}), "
        f"{stress.images} test images, ranges {stress.ranges}, onnxruntime CPU",
        f"{'':{wide}}  AP@0.5   drop  minutes (of one core)",
        f"{'float, as trained':{wide}}  {stress.original:6.2f}",
        f"{'float, rescaled':{wide}}  {stress.rescaled:6.2f}",
    ]
    lines += [
        f"{row.method:{wide}}  {row.ap50:6.2f} {row.drop:6.2f}  "
        f"{row.minutes:7.2f} ({row.cpu_minutes:.2f})"
        for row in stress.rows
    ]
    if stress.passed is not None:
        verdict = "met" if stress.passed else "MISSED"
        lines.append(
            f"plain per-tensor INT8 loses at least {LEAST_LOSS:g} points and CLE at most "
            f"{MOST_LOSS:g}: {verdict}"
        )
    return "\n".join(lines)


def _calibration(recipe: Recipe, contract: DetectorContract) -> CalibrationImages:
    dataset = open_split(recipe.data, "train")
    section = recipe.calibration
    chosen = choose(dataset, section.images, section.seed)
    return read_calibration_set(dataset, chosen, contract.input)


class _InMemory:
    """The first images of a dataset, rendered once for all rows of the table."""

    def __init__(self, dataset: Dataset, limit: int | None) -> None:
        count = len(dataset) if limit is None else min(limit, len(dataset))
        self.classes = dataset.classes
        self._records = [dataset[i] for i in range(count)]

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records)


def _score(
    model: onnx.ModelProto,
    contract: DetectorContract,
    precision: Precision,
    tests: _InMemory,
    recipe: Recipe,
    progress: Callable[[int, int], None],
) -> float:
    """Return AP@0.5 in percent of a graph on the CPU provider."""
    found = []
    with scratch_folder() as folder:
        onnx.save(model, folder / GRAPHS[precision])
        with Detector(contract, CpuBackend(folder, contract, precision)) as detector:
            for done, record in enumerate(tests, 1):
                found.append(detector(record.image, score=recipe.evaluation.score))
                progress(done, len(tests))
    truths = [record.annotation for record in tests]
    limit = contract.thresholds.max_detections
    return 100 * score_detections(truths, found, tests.classes, limit).ap50
