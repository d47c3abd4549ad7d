"""The classes of `report.json`: each is an object there, each field a key of the same name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator

from ...evaluation.bootstrap import Interval
from ...evaluation.flips import Flip, FlipCounts
from ...evaluation.landmark_error import LandmarkError
from ...runtime.files import to_json, write_text
from ..advice import AdvisedLayerError

FILE_NAME = "report.json"
SCHEMA_VERSION = 3

FLOAT, INT8_CPU, INT8_HTP = "float", "int8_cpu", "int8_htp"
GRAPHS = (FLOAT, INT8_CPU, INT8_HTP)
"""The keys of the rows: the float graph and the INT8 one on onnxruntime's CPU provider, and the
INT8 one on the HTP, emulated on a PC."""

Number = Annotated[float, BeforeValidator(lambda value: float("nan") if value is None else value)]
"""A number that may be unknown: nan in Python, null in JSON."""

Status = Literal["kept", "not certain", "missed", "not measured"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One graph's score on all images.

    key: of GRAPHS; backend: in words. ap50: AP at IoU 0.5; ap: mean over IoU 0.5 to 0.95.
    voc_ap50: AP by PASCAL VOC's matching, the area under the curve; miss_rate: the log-average miss
    rate MR^-2, lower is better; both at IoU 0.5, means over classes.
    ap50_interval: of ap50, 95 %. drop_ap50, drop_ap: points of AP lost against float, null for
    float. drop_*_interval: of those, 95 %, paired; null where it cannot be told.
    per_class_*: by class name. detections: how many were scored. seconds: spent in this graph, of
    all workers together. landmarks: the error of those at the detector's threshold; null where the
    network gives none, or none was found of which the truth is known.
    """

    key: str
    backend: str
    ap50: Number
    ap: Number
    voc_ap50: Number
    miss_rate: Number
    ap50_interval: Interval | None
    drop_ap50: Number | None
    drop_ap50_interval: Interval | None
    drop_ap: Number | None
    drop_ap_interval: Interval | None
    per_class_ap50: dict[str, Number]
    per_class_ap: dict[str, Number]
    detections: int
    seconds: float
    landmarks: LandmarkError | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """INT8 on the HTP against the budget.

    status: `kept`: the drop and its whole interval are within the budget; `not certain`: the drop
    is, but the interval reaches beyond or there are too few images for one; `missed`: the drop is
    over it; `not measured`: nothing to score. drop: of AP@0.5, in points; budget: the most it may
    be, in points. sentence: the same in words.
    """

    status: Status
    drop: Number
    interval: Interval | None
    budget: float
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Part:
    """AP of some of the objects, by the graphs' keys.

    name, bounds: what they have in common. objects: how many. ap: AP at IoU 0.5 of these objects
    (of all objects at this one IoU in `Breakdown.ious`). drop: points lost against float, by INT8
    key. drop_interval: of INT8 on the HTP, 95 %, paired.
    """

    name: str
    bounds: str
    objects: int
    ap: dict[str, Number]
    drop: dict[str, Number]
    drop_interval: Interval | None


@dataclass(frozen=True, kw_only=True)
class ScoreBand:
    """Detections with a score from `low` to under `high`, at IoU 0.5, by the graphs' keys."""

    low: float
    high: float
    hits: dict[str, int]
    false_alarms: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """Where the drop is.

    classes, sizes, levels: each object in one part, by its class, by COCO's size borders at the
    network's scale, by the anchor level that fits it. terciles: thirds by size, where one of
    COCO's sizes has no object; else empty. ious: one part an IoU threshold. score_bands: counts.
    """

    classes: list[Part]
    sizes: list[Part]
    terciles: list[Part]
    levels: list[Part]
    ious: list[Part]
    score_bands: list[ScoreBand]


@dataclass(frozen=True, kw_only=True)
class Swap:
    """One cell of the two by two: heads of the float graph and of INT8 on the HTP, mixed.

    scores_from, boxes_from: whose outputs. drop_ap50, drop_ap: points lost against float.
    """

    scores_from: str
    boxes_from: str
    ap50: Number
    ap: Number
    drop_ap50: Number
    drop_ap50_interval: Interval | None
    drop_ap: Number


@dataclass(frozen=True, kw_only=True)
class Flips:
    """What changes for a user at the detector's threshold, INT8 on the HTP against float.

    scores: the threshold of each class; iou: of a hit. worst: those whose score moved most, at
    most 16. image_names: of each of `worst`.
    """

    scores: dict[str, float]
    iou: float
    counts: FlipCounts
    worst: list[Flip]
    image_names: list[str]


@dataclass(frozen=True, kw_only=True)
class StudyPoint:
    """INT8 on the CPU, quantized anew with `count` calibration images, for several seeds.

    drops: points of AP@0.5 lost against float, one a seed; negative where it gained.
    """

    count: int
    seeds: list[int]
    drops: list[Number]


@dataclass(frozen=True, kw_only=True)
class CalibrationStudy:
    """The drop against the number of calibration images; images: test images it was measured on."""

    images: int
    points: list[StudyPoint]


@dataclass(frozen=True, kw_only=True)
class OutputEncoding:
    """The codes of one output: real = (code - zero_point) * scale; low, high: what they reach."""

    name: str
    scale: float
    zero_point: int
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Encodings:
    """What `encodings.json` holds: activations, parameters: tensors; per_channel: of those.

    bits: how many activations have so many bits. outputs: from `detector.json`.
    """

    activations: int
    parameters: int
    per_channel: int
    bits: dict[str, int]
    outputs: list[OutputEncoding]


@dataclass(frozen=True, kw_only=True)
class Placement:
    """What is in int8.dlc: operators by type, the encoding audit, the lint's remarks.

    sdk: the DLCs that Qualcomm's SDK made beside it, a row a chip: chip, file, made_by, encodings
    (ours or theirs), preparation, held (against ours, in words), stand_in (yes or no).
    """

    operators: dict[str, int] = dataclasses.field(default_factory=dict)
    audit: str = "not run"
    remarks: list[dict[str, str]] = dataclasses.field(default_factory=list)
    sdk: list[dict[str, str]] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole of `report.json`.

    images: how many were scored; images_available: of how many; objects: annotated on them, the
    ignored left out. arch: Hexagon version. parameters, macs: of the float graph, for one image.
    sizes: bytes by file. interval_method: how every interval was made. curves: by class and key,
    the precision at recall 0, 0.01 ... 1 at IoU 0.5; empty for a class without objects. layers:
    null where not measured. dropped: annotations that were left out. inputs: sha256 of what
    decides the report. placement: what the caller knows of int8.dlc.
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
    verdict: Verdict
    rows: list[Row]
    interval_method: str
    breakdown: Breakdown
    swaps: list[Swap]
    flips: Flips
    curves: dict[str, dict[str, list[Number]]]
    layers: list[AdvisedLayerError] | None
    calibration_study: CalibrationStudy | None
    encodings: Encodings | None
    dropped: list[dict[str, str]]
    inputs: dict[str, str]
    versions: dict[str, str]
    placement: Placement

    def row(self, key: str) -> Row:
        """Return the row of one of GRAPHS."""
        return next(row for row in self.rows if row.key == key)

    def save(self, folder: Path) -> Path:
        """Write `report.json`; numbers that are not known are null."""
        return write_text(folder / FILE_NAME, to_json(dataclasses.asdict(self)))
