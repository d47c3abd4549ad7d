"""The contract of a bundle, `detector.json`: all that the runtime must know about a network."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import ArtifactError
from .encodings import Encoding
from .files import write_text

SCHEMA_VERSION = 1
FILE_NAME = "detector.json"


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """The picture that the network reads.

    The integer graph takes the raw uint8 pixels; the float graph takes (pixel - mean) / std.
    """

    width: int
    height: int
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: float = 127.0
    std: float = 128.0


@dataclass(frozen=True, kw_only=True)
class Level:
    """One feature map: where its cells lie and which anchors each cell carries.

    anchors: (width, height) of each anchor of a cell, in pixels of the network's input.
    scores, boxes: names of the two outputs, NHWC [1, rows, columns, anchors * classes] and
        [1, rows, columns, anchors * 4].
    """

    stride: int
    rows: int
    columns: int
    anchors: tuple[tuple[float, float], ...]
    scores: str
    boxes: str


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Defaults of the post-processing; every one can be given per call."""

    score: float = 0.3
    nms_iou: float = 0.45
    max_detections: int = 200


@dataclass(frozen=True, kw_only=True)
class DetectorContract:
    """The whole of `detector.json`.

    classes: names without the background, label 1 first; with `softmax` the network has one more
        score an anchor, the background, at index 0.
    variances: divisors of the centre and the size deltas.
    encodings: of the integer graph's outputs by name; empty until the network is quantized.
    """

    name: str
    network: str
    classes: tuple[str, ...]
    input: InputSpec
    levels: tuple[Level, ...]
    variances: tuple[float, float] = (0.1, 0.2)
    activation: Literal["softmax", "sigmoid"] = "softmax"
    thresholds: Thresholds = Thresholds()
    encodings: Mapping[str, Encoding] = field(default_factory=dict)

    @property
    def scores_per_anchor(self) -> int:
        """Return the number of score channels of one anchor."""
        return len(self.classes) + (self.activation == "softmax")

    @property
    def anchor_count(self) -> int:
        """Return the number of anchors of all levels."""
        return sum(v.rows * v.columns * len(v.anchors) for v in self.levels)

    def output_shapes(self) -> dict[str, tuple[int, int, int, int]]:
        """Return the NHWC shape of every output: scores, then boxes, in the order of the levels."""
        shapes = {}
        for level in self.levels:
            size = (1, level.rows, level.columns)
            shapes[level.scores] = (*size, len(level.anchors) * self.scores_per_anchor)
        for level in self.levels:
            shapes[level.boxes] = (1, level.rows, level.columns, len(level.anchors) * 4)
        return shapes

    def save(self, folder: Path) -> Path:
        """Write `detector.json` into the folder and return its path."""
        content = {"schema": SCHEMA_VERSION, **dataclasses.asdict(self)}
        return write_text(folder / FILE_NAME, json.dumps(content, indent=2) + "\n")


def load_contract(folder: Path) -> DetectorContract:
    """Read `detector.json` of a bundle.

    Raises ArtifactError where it is missing, is no JSON, has another schema or does not fit.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise ArtifactError(
            f"{folder} is not a bundle: it has no {FILE_NAME}; "
            f"make one with `hexdet export RECIPE` or `make export-dlc`"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        schema = content.pop("schema")
        if schema != SCHEMA_VERSION:
            raise ArtifactError(
                f"{path} has schema {schema}, this version reads {SCHEMA_VERSION}: export it again"
            )
        contract = _parse(content)
    except ArtifactError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error!r}; export the bundle again") from error
    for fault in _faults(contract):
        raise ArtifactError(f"{path} {fault}: export the bundle again")
    return contract


def _parse(content: dict[str, Any]) -> DetectorContract:
    levels = tuple(
        Level(**{**level, "anchors": tuple((float(w), float(h)) for w, h in level["anchors"])})
        for level in content.pop("levels")
    )
    centre, size = content.pop("variances")
    if not isinstance(content["classes"], list):
        raise TypeError("classes is not a list")
    return DetectorContract(
        input=InputSpec(**content.pop("input")),
        thresholds=Thresholds(**content.pop("thresholds")),
        encodings={k: Encoding(**v) for k, v in content.pop("encodings").items()},
        classes=tuple(content.pop("classes")),
        variances=(float(centre), float(size)),
        levels=levels,
        **content,
    )


def _faults(contract: DetectorContract) -> Iterator[str]:
    """Yield what the runtime could not work with; the file's types are not yet checked."""
    levels, spec, thresholds = contract.levels, contract.input, contract.thresholds
    if not levels or not contract.classes or not all(v.anchors for v in levels):
        yield "names no levels, no classes or no anchors"
    outputs = [name for v in levels for name in (v.scores, v.boxes)]
    texts = [contract.name, contract.network, *contract.classes, *outputs]
    if not all(isinstance(text, str) and text for text in texts):
        yield "holds a name that is not a text"
    if len(set(outputs)) < len(outputs):
        yield "names an output twice"
    sizes = [spec.width, spec.height, *(n for v in levels for n in (v.stride, v.rows, v.columns))]
    if not all(type(n) is int and 0 < n <= 16384 for n in sizes):
        yield "holds a size outside 1 to 16384"
    if not all(0 < side < 1e5 for v in levels for pair in v.anchors for side in pair):
        yield "holds an anchor that is not positive"
    if contract.activation not in ("softmax", "sigmoid"):
        yield f"names the unknown activation {contract.activation!r}"
    if spec.colour not in ("rgb", "bgr"):
        yield f"names the unknown colour order {spec.colour!r}"
    scales = [spec.std, *contract.variances, *(e.scale for e in contract.encodings.values())]
    if not all(_is_number(scale) and scale > 0 for scale in scales):
        yield "holds a std, a variance or a scale that is not positive"
    if not _is_number(spec.mean):
        yield "holds a mean that is no number"
    if not all(_is_number(n) and 0 <= n <= 1 for n in (thresholds.score, thresholds.nms_iou)):
        yield "holds a threshold outside 0 to 1"
    if type(thresholds.max_detections) is not int or thresholds.max_detections < 1:
        yield "allows no detection"
    zero_points = [e.zero_point for e in contract.encodings.values()]
    if not all(type(n) is int and 0 <= n <= 255 for n in zero_points):
        yield "holds a zero point outside 0 to 255"


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
