"""The contract of a bundle, `detector.json`: all that the runtime must know about a network."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError
from .anchor_hashes import add_hashes, changed_anchors, take_hashes
from .encodings import Encoding
from .files import write_text

SCHEMA_VERSION = 1
FILE_NAME = "detector.json"
MOST_ANCHORS = 2**24
"""SSD512 has 24,564: a file that asks for more than this is damaged, and would eat the memory."""

Colour = Literal["rgb", "bgr"]
"""Order of an image's colour channels."""

LANDMARKS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
"""The five points of a face, in their order; left and right as seen in the image."""

LANDMARK_VALUES = 2 * len(LANDMARKS)
"""Landmark channels of one anchor: x and y, point by point."""


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """The picture that the network reads.

    The integer graph takes the raw uint8 pixels; the float graph takes (pixel - mean) / std.

    fit: how an image of another size gets in: `stretch` fills the input, `letterbox` keeps the
        image's proportions and leaves bars. pad: value of every channel of the bars, 0 to 255.
    """

    width: int
    height: int
    colour: Colour = "rgb"
    mean: float = 127.0
    std: float = 128.0
    fit: Literal["stretch", "letterbox"] = "stretch"
    pad: int = 127


@dataclass(frozen=True, kw_only=True)
class Level:
    """One feature map: where its cells lie and which anchors each cell carries.

    anchors: (width, height) of each anchor of a cell, in pixels of the network's input.
    scores, boxes: names of the two outputs, NHWC [1, rows, columns, anchors * classes] and
        [1, rows, columns, anchors * 4]. landmarks: of the third, [1, rows, columns, anchors * 10],
        where the network gives landmarks: then on every level.
    """

    stride: int
    rows: int
    columns: int
    anchors: tuple[tuple[float, float], ...]
    scores: str
    boxes: str
    landmarks: str | None = None


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Options of the post-processing; a bundle holds defaults, every one can be given per call.

    score: least score of a detection. per_class: least score of the classes it names, in its place.
    top_k: only so many candidates, the best, go into NMS.
    nms: whether boxes suppress each other only within a class, or across all classes.
    nms_iou: more overlap suppresses. max_detections: how many are left at most, of all classes.
    soft_nms: not `off`: an overlap lowers a score instead, see `soft_nms.decay`.
    soft_sigma: width of the `gaussian` decay.
    """

    score: float = 0.3
    nms_iou: float = 0.45
    max_detections: int = 200
    nms: Literal["class_aware", "class_agnostic"] = "class_aware"
    soft_nms: Literal["off", "linear", "gaussian"] = "off"
    soft_sigma: float = 0.5
    top_k: int = 1000
    per_class: Mapping[str, float] = field(default_factory=dict, hash=False)

    def of_classes(self, classes: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the least score of each class, float32 [classes].

        Raises ValueError where `per_class` names another.
        """
        unknown = sorted(set(self.per_class) - set(classes))
        if unknown:
            raise ValueError(f"no class {unknown[0]!r}: there are {', '.join(classes)}")
        return np.asarray([self.per_class.get(name, self.score) for name in classes], np.float32)


@dataclass(frozen=True, kw_only=True)
class DetectorContract:
    """The whole of `detector.json`.

    classes: names without the background, label 1 first; with `softmax` the network has one more
        score an anchor, the background, at index 0.
    variances: divisors of the centre and the size deltas.
    anchor_step: from one cell's centre to the next: the level's `stride`, or the input's size
        divided by the number of `cells`. They differ where a stride does not divide the input.
    encodings: of the integer graph's outputs by name; empty until the network is quantized.
    target_arch: Hexagon version that the bundle was exported for; None until its DLCs are written.
    """

    name: str
    network: str
    classes: tuple[str, ...]
    input: InputSpec
    levels: tuple[Level, ...]
    variances: tuple[float, float] = (0.1, 0.2)
    activation: Literal["softmax", "sigmoid"] = "softmax"
    anchor_step: Literal["stride", "cells"] = "stride"
    thresholds: Thresholds = Thresholds()
    encodings: Mapping[str, Encoding] = field(default_factory=dict)
    target_arch: int | None = None

    @property
    def scores_per_anchor(self) -> int:
        """Return the number of score channels of one anchor."""
        return len(self.classes) + (self.activation == "softmax")

    @property
    def anchor_count(self) -> int:
        """Return the number of anchors of all levels."""
        return sum(v.rows * v.columns * len(v.anchors) for v in self.levels)

    @property
    def has_landmarks(self) -> bool:
        """Tell whether the network gives five landmarks with every box."""
        return self.levels[0].landmarks is not None

    def output_shapes(self) -> dict[str, tuple[int, int, int, int]]:
        """Return the NHWC shape of every output, in the order of the levels.

        First all scores, then all boxes, then all landmarks where there are any.
        """
        shapes = {}
        for level in self.levels:
            size = (1, level.rows, level.columns)
            shapes[level.scores] = (*size, len(level.anchors) * self.scores_per_anchor)
        for level in self.levels:
            shapes[level.boxes] = (1, level.rows, level.columns, len(level.anchors) * 4)
        for level in self.levels:
            if level.landmarks is not None:
                channels = len(level.anchors) * LANDMARK_VALUES
                shapes[level.landmarks] = (1, level.rows, level.columns, channels)
        return shapes

    def save(self, folder: Path) -> Path:
        """Write `detector.json`, with the anchors' hashes, into the folder and return its path."""
        content = add_hashes({"schema": SCHEMA_VERSION, **dataclasses.asdict(self)}, self)
        return write_text(folder / FILE_NAME, json.dumps(content, indent=2) + "\n")


def load_contract(folder: Path) -> DetectorContract:
    """Read `detector.json` of a bundle.

    Raises ArtifactError where it is missing, is no JSON, has another schema, does not fit, or
    holds anchors that are not those of its hashes. A file from before there were hashes has none.
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
        hashes = take_hashes(content)
        contract = _parse(content)
    except ArtifactError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"{path} cannot be read: {error!r}; export the bundle again") from error
    for fault in _faults(contract):
        raise ArtifactError(f"{path} {fault}: export the bundle again")
    changed = changed_anchors(contract, hashes)
    if changed:
        raise ArtifactError(
            f"{path} was changed by hand: {changed}; undo it, or give the recipe other "
            f"network.anchors, train it and export the bundle again"
        )
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
    with_landmarks = [v.landmarks for v in levels if v.landmarks is not None]
    if len(with_landmarks) not in (0, len(levels)):
        yield "names landmarks on some levels only"
    outputs = [name for v in levels for name in (v.scores, v.boxes)] + with_landmarks
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
    if contract.anchor_count > MOST_ANCHORS:
        yield f"places more than {MOST_ANCHORS:,} anchors"
    if contract.activation not in ("softmax", "sigmoid"):
        yield f"names the unknown activation {contract.activation!r}"
    if contract.anchor_step not in ("stride", "cells"):
        yield f"names the unknown anchor step {contract.anchor_step!r}"
    if spec.colour not in ("rgb", "bgr"):
        yield f"names the unknown colour order {spec.colour!r}"
    if spec.fit not in ("stretch", "letterbox"):
        yield f"names the unknown fit {spec.fit!r}"
    if type(spec.pad) is not int or not 0 <= spec.pad <= 255:
        yield "holds a pad outside 0 to 255"
    scales = [spec.std, *contract.variances, *(e.scale for e in contract.encodings.values())]
    if not all(_is_number(scale) and scale > 0 for scale in scales):
        yield "holds a std, a variance or a scale that is not positive"
    if not _is_number(spec.mean):
        yield "holds a mean that is no number"
    yield from _threshold_faults(thresholds, contract.classes)
    if contract.target_arch is not None and type(contract.target_arch) is not int:
        yield "names a Hexagon version that is no number"
    zero_points = [e.zero_point for e in contract.encodings.values()]
    if not all(type(n) is int and 0 <= n <= 255 for n in zero_points):
        yield "holds a zero point outside 0 to 255"


def _threshold_faults(thresholds: Thresholds, classes: tuple[str, ...]) -> Iterator[str]:
    per_class: object = thresholds.per_class
    if not isinstance(per_class, dict):
        yield "holds thresholds per class that are no table"
        return
    shares = [thresholds.score, thresholds.nms_iou, *per_class.values()]
    if not all(_is_number(n) and 0 <= n <= 1 for n in shares):
        yield "holds a threshold outside 0 to 1"
    for count in (thresholds.max_detections, thresholds.top_k):
        if type(count) is not int or count < 1:
            yield "allows no detection"
    if thresholds.nms not in ("class_aware", "class_agnostic"):
        yield f"names the unknown NMS {thresholds.nms!r}"
    if thresholds.soft_nms not in ("off", "linear", "gaussian"):
        yield f"names the unknown soft NMS {thresholds.soft_nms!r}"
    if not (_is_number(thresholds.soft_sigma) and thresholds.soft_sigma > 0):
        yield "holds a soft_sigma that is not positive"
    for name in per_class:
        if name not in classes:
            yield f"has a threshold of the unknown class {name!r}"


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]
