"""Outputs to measure post-processing on: a bundle's own, and the same codes on SSD512's grid."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..datasets.record import Dataset
from ..errors import ArtifactError
from ..runtime.backend import CpuBackend
from ..runtime.contract import DetectorContract, InputSpec, Level, load_contract
from ..runtime.images import prepare
from ..runtime.placement import Placement, place

Codes = npt.NDArray[np.uint8]

SSD512_CELLS = (64, 32, 16, 8, 4, 2, 1)
SSD512_RATIOS = ((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,))
SSD512_SIDES = (35.84, 76.8, 153.6, 230.4, 307.2, 384.0, 460.8, 537.6)
"""Pixels: the side of each level's small square anchor, and of the one after the last."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The outputs of one image, uint8 NHWC by name, and where the image lies in the input."""

    outputs: Mapping[str, Codes]
    placement: Placement


@dataclass(frozen=True, kw_only=True)
class Case:
    """Outputs of one network. synthetic: whether they were made up from those of another."""

    name: str
    contract: DetectorContract
    samples: Sequence[Sample]
    synthetic: bool = False


def record(
    bundle: Path, dataset: Dataset, *, images: int, progress: Callable[[int, int], None]
) -> Case:
    """Run a bundle's integer graph on the first images of a dataset, on onnxruntime CPU.

    Raises ArtifactError where the bundle has no integer graph.
    """
    contract = load_contract(bundle)
    count = min(images, len(dataset))
    samples = []
    with CpuBackend(bundle, contract, "int8", threads=1) as backend:
        for index in range(count):
            prepared = prepare(dataset[index].image, contract.input)
            outputs: Mapping[str, Any] = backend.run(prepared.pixels)
            samples.append(Sample(outputs=outputs, placement=prepared.placement))
            progress(index + 1, count)
    if not samples:
        raise ArtifactError(f"{dataset.name} holds no image to record outputs of")
    return Case(name=contract.name, contract=contract, samples=samples)


def on_ssd512(source: Case, classes: int, *, images: int) -> Case:
    """Return the codes of a softmax network laid out as SSD512's 24,564 anchors. Synthetic.

    A level's maps are those of the source's level in the same place, repeated to its size; where
    there are more classes than in the source they come again, shifted across the map. classes:
    without the background.
    """
    contract = _ssd512_contract(source.contract, classes)
    return Case(
        name="ssd512",
        contract=contract,
        samples=[
            Sample(
                outputs=_laid_out(sample.outputs, source.contract, contract),
                placement=place(
                    sample.placement.image_width, sample.placement.image_height, contract.input
                ),
            )
            for sample in source.samples[:images]
        ],
        synthetic=True,
    )


def _ssd512_contract(source: DetectorContract, classes: int) -> DetectorContract:
    levels = tuple(
        Level(
            stride=512 // cells,
            rows=cells,
            columns=cells,
            anchors=_ssd_anchors(SSD512_SIDES[index], SSD512_SIDES[index + 1], ratios),
            scores=f"scores_{512 // cells}",
            boxes=f"boxes_{512 // cells}",
        )
        for index, (cells, ratios) in enumerate(zip(SSD512_CELLS, SSD512_RATIOS, strict=True))
    )
    encodings = {}
    for level, original in _paired(levels, source.levels):
        encodings[level.scores] = source.encodings[original.scores]
        encodings[level.boxes] = source.encodings[original.boxes]
    return replace(
        source,
        name="ssd512",
        classes=tuple(f"class {n}" for n in range(1, classes + 1)),
        input=InputSpec(width=512, height=512),
        levels=levels,
        encodings=encodings,
    )


def _ssd_anchors(
    side: float, following: float, ratios: Sequence[int]
) -> tuple[tuple[float, float], ...]:
    """Return (width, height) in pixels of one cell's anchors, by SSD, arXiv 1512.02325, 2.2."""
    between = math.sqrt(side * following)
    anchors = [(side, side), (between, between)]
    for ratio in ratios:
        stretch = math.sqrt(ratio)
        anchors += [(side * stretch, side / stretch), (side / stretch, side * stretch)]
    return tuple(anchors)


def _laid_out(
    outputs: Mapping[str, Codes], source: DetectorContract, contract: DetectorContract
) -> dict[str, Codes]:
    found: dict[str, Codes] = {}
    for level, original in _paired(contract.levels, source.levels):
        shape = (original.rows, original.columns, len(original.anchors), -1)
        scores = _repeated(outputs[original.scores].reshape(shape), level)
        columns = [scores[..., :1]]
        for label in range(len(contract.classes)):
            turn, known = divmod(label, len(source.classes))
            shift = turn * max(level.columns // 5, 1)
            columns.append(np.roll(scores[..., 1 + known : 2 + known], shift, axis=1))
        joined = np.concatenate(columns, axis=-1)  # [rows, columns, anchors, 1 + classes]
        found[level.scores] = joined.reshape(1, level.rows, level.columns, -1)
        boxes = _repeated(outputs[original.boxes].reshape(shape), level)
        found[level.boxes] = boxes.reshape(1, level.rows, level.columns, -1)
    return found


def _repeated(values: Codes, level: Level) -> Codes:
    """Return values [rows, columns, anchors, n] repeated, or cut, to the size of a level."""
    sizes = (level.rows, level.columns, len(level.anchors))
    rows, columns, anchors = (
        np.arange(size) % values.shape[axis] for axis, size in enumerate(sizes)
    )
    return np.asarray(values[rows[:, None, None], columns[:, None], anchors], np.uint8)


def _paired(levels: Sequence[Level], originals: Sequence[Level]) -> list[tuple[Level, Level]]:
    """Return each level with the original in its place; the coarsest one serves all beyond it."""
    last = len(originals) - 1
    return [(level, originals[min(index, last)]) for index, level in enumerate(levels)]
