"""The recipe: one YAML file, one section a stage, read into models that refuse typing errors."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import RecipeError

SHIPPED = Path(__file__).parent / "training" / "recipes"

YAML_FAULTS = (yaml.YAMLError, ValueError)
"""What pyyaml raises; ValueError is bad UTF-8, or a date that is none such as 2024-13-45."""


class Section(BaseModel):
    """A part of the recipe: immutable, and closed to keys that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class ScenesData(Section):
    """The built-in renderer: seeded, no files. The numbers are counts of scenes."""

    format: Literal["scenes"] = "scenes"
    seed: int = 0
    train: int = Field(4000, ge=1)
    val: int = Field(100, ge=1)
    test: int = Field(200, ge=1)


class VocData(Section):
    """A dataset in PASCAL VOC layout; train, val and test name files of ImageSets/Main.

    `all` is every annotated image, where there is no file of that name.
    """

    format: Literal["voc"]
    folder: str
    """Relative to HEXDET_DATA, or absolute."""
    classes: tuple[str, ...] = Field(min_length=1)
    train: str = "trainval"
    val: str = "val"
    test: str = "test"
    address: str = ""
    """Where the data can be had: shown when the folder is missing."""


class ImagesData(Section):
    """Folders of images without annotations: enough to calibrate and to compare, not to score."""

    format: Literal["images"]
    classes: tuple[str, ...] = Field(min_length=1)
    train: str
    """Folder of the calibration images, relative to HEXDET_DATA, or absolute; likewise the rest."""
    test: str
    val: str = ""
    address: str = ""


DATA_FORMATS: dict[str, type[Section]] = {
    "scenes": ScenesData,
    "voc": VocData,
    "images": ImagesData,
}
DataSection = Annotated[Union[ScenesData, VocData, ImagesData], Field(discriminator="format")]

Positive = Annotated[float, Field(gt=0)]
AnchorSize = tuple[Positive, Positive]


class NetworkSection(Section):
    """Which network, at which input size, with which anchors."""

    name: str = "mb2_ssd_lite_f38"
    strides: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Of the levels, finest first: only for a network that comes as ONNX; ours know their own."""
    width: int = Field(300, ge=64, le=2048)
    height: int = Field(300, ge=64, le=2048)
    mean: float = Field(127.0, ge=0, le=255)
    std: float = Field(128.0, gt=0)
    colour: Literal["rgb", "bgr"] = "rgb"
    fit: Literal["stretch", "letterbox"] = "stretch"
    """How an image gets to that size: filling it, or in its own proportions with bars beside it."""
    pad: int = Field(127, ge=0, le=255)
    """Value of the bars' pixels."""
    activation: Literal["softmax", "sigmoid"] = "softmax"
    anchors: tuple[Annotated[tuple[AnchorSize, ...], Field(min_length=1)], ...] = (
        ((13.9, 20.8), (22.0, 33.1)),
        ((31.0, 46.5), (44.9, 67.4)),
        ((63.7, 95.5), (89.8, 134.7)),
        ((122.5, 183.7), (171.5, 257.2)),
    )
    """(width, height) in pixels of the network's input, for every level, finest first."""
    anchor_step: Literal["stride", "cells"] = "stride"
    """From one cell's centre to the next: the stride, or the input's size over the cells."""
    variances: tuple[Positive, Positive] = (0.1, 0.2)


class AugmentSection(Section):
    """How often, and how far, a training image is changed."""

    photometric: float = Field(0.7, ge=0, le=1)
    grey: float = Field(0.05, ge=0, le=1)
    expand: float = Field(0.3, ge=0, le=1)
    expand_ratio: float = Field(1.8, ge=1)
    crop: float = Field(0.6, ge=0, le=1)
    flip: float = Field(0.5, ge=0, le=1)
    vertical_flip: float = Field(0.0, ge=0, le=1)


class TrainingSection(Section):
    """The loop: optimizer, schedule, losses and matching."""

    start_from: str = ""
    """Checkpoint whose weights come instead of random ones: a file, or a shipped one's name."""
    epochs: int = Field(40, ge=1)
    batch_size: int = Field(16, ge=1)
    optimizer: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(5e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    schedule: Literal["one_cycle", "cosine"] = "one_cycle"
    warmup: float = Field(0.15, ge=0, lt=1)
    """Share of the steps in which the learning rate rises."""
    ema_decay: float = Field(0.998, ge=0, lt=1)
    gradient_clip: float = Field(5.0, gt=0)
    """Largest L2 norm of all gradients together."""
    match_iou: float = Field(0.5, gt=0, lt=1)
    ignore_iou: float = Field(0.4, gt=0, lt=1)
    """An anchor between the two takes part in no loss."""
    focal_gamma: float = Field(2.0, ge=0)
    focal_alpha: float = Field(0.25, gt=0, lt=1)
    """Weight of the objects; the background's is 1 - alpha."""
    box_weight: float = Field(1.0, gt=0)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: bfloat16 where the GPU or the CPU (AVX512-BF16, AMX) multiplies it natively."""
    seed: int = 0
    workers: int = Field(1, ge=0)
    validate_every: int = Field(10, ge=1)
    """In epochs."""
    augment: AugmentSection = AugmentSection()

    @model_validator(mode="after")
    def _band(self) -> TrainingSection:
        if self.ignore_iou > self.match_iou:
            raise ValueError("ignore_iou must not be above match_iou")
        return self


class CalibrationSection(Section):
    """Which images, of the training split unless said, set the ranges of the activations."""

    images: int = Field(64, ge=1)
    seed: int = 0
    selection: Literal["random", "stratified", "farthest"] = "random"
    """stratified: by size and number of objects; farthest: as unlike each other as can be."""
    folder: str = ""
    """A folder of images to take instead of the training split, relative to HEXDET_DATA."""


class QuantizationSection(Section):
    """How the float graph becomes an 8-bit one."""

    weights: Literal["per_channel", "per_tensor"] = "per_channel"
    ranges: Literal["minmax", "percentile", "entropy", "mse", "trained"] = "minmax"
    """Of the activations: from calibration images, or those that a quantized network brings."""
    percentile: float = Field(99.99, gt=50, lt=100)
    """Share of the values, in percent, that the range must hold; for ranges: percentile."""
    activation_bits: Literal[8, 16] = 8
    """Of what lies between: the image and the outputs always have 8 bits, for the runtime reads
    and gives uint8, and so have the weights."""
    wide: tuple[str, ...] = ()
    """Tensors of the float graph whose activations have 16 bits where the others have 8: neither
    the image nor an output, and of a convolution with a ReLU behind it the ReLU's."""
    equalise: bool = False
    """Cross-layer equalisation before anything else."""
    correct_bias: bool = False
    """Shift each bias by the mean error that quantization causes in its channel."""
    rounding: Literal["nearest", "adaround"] = "nearest"
    """How weights become codes: adaround chooses up or down by the layer's output."""
    adaround_iterations: int = Field(1500, ge=1)
    """For each layer."""

    @model_validator(mode="after")
    def _own_ranges(self) -> QuantizationSection:
        if self.ranges == "trained" and self.equalise:
            raise ValueError("equalise changes what trained ranges were learnt for: choose one")
        return self


class ExportSection(Section):
    """The graph's form and the time limits of Qualcomm's libraries."""

    opset: int = Field(17, ge=13, le=21)
    target_arch: Literal[68, 69, 73, 75, 79] = 73
    """Hexagon version that is emulated."""
    check_images: int = Field(24, ge=0)
    """Images of the accuracy check that closes an export."""
    time_limit_s: float = Field(180.0, gt=0)
    """For each run of Qualcomm's libraries, and for each image on the emulator."""


class EvaluationSection(Section):
    """Thresholds for scoring (low: the whole curve is seen), and the detector's defaults."""

    score: float = Field(0.01, ge=0, lt=1)
    default_score: float = Field(0.3, ge=0, lt=1)
    per_class: dict[str, Annotated[float, Field(ge=0, lt=1)]] = {}
    """Default least score of single classes, in the place of `default_score`."""
    nms: Literal["class_aware", "class_agnostic"] = "class_aware"
    """Whether boxes suppress each other only within a class, or across all classes."""
    nms_iou: float = Field(0.45, gt=0, le=1)
    soft_nms: Literal["off", "linear", "gaussian"] = "off"
    """Whether an overlap drops a box (off) or lowers its score."""
    soft_sigma: float = Field(0.5, gt=0)
    """Width of the gaussian decay."""
    top_k: int = Field(1000, ge=1)
    """Candidates, the best, that go into NMS."""
    max_detections: int = Field(200, ge=1)
    max_drop: float = Field(0.5, ge=0)
    """Budget of the report: points of AP@0.5 that INT8 on the HTP may lose against float."""


class Recipe(Section):
    """The whole recipe; an almost empty file is a valid one."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    data: DataSection = ScenesData()
    network: NetworkSection = NetworkSection()
    training: TrainingSection = TrainingSection()
    calibration: CalibrationSection = CalibrationSection()
    quantization: QuantizationSection = QuantizationSection()
    export: ExportSection = ExportSection()
    evaluation: EvaluationSection = EvaluationSection()

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the class names without the background."""
        return ("head",) if isinstance(self.data, ScenesData) else self.data.classes


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that come with hexdet."""
    return sorted(p.stem for p in SHIPPED.glob("*.yaml"))


def load_recipe(name_or_path: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe by its file, or a shipped one by its name, and apply `key.key=value` overrides.

    Raises RecipeError for a missing file, bad YAML, an unknown key (with its path and the nearest
    name) or a bad value.
    """
    path = Path(name_or_path)
    if not path.is_file():
        path = SHIPPED / f"{name_or_path}.yaml"
    if not path.is_file():
        raise RecipeError(
            f"no recipe {name_or_path!r}: give a YAML file or one of {', '.join(shipped_recipes())}"
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (*YAML_FAULTS, RecursionError) as error:
        raise RecipeError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise RecipeError(f"{path} must hold sections (key: value), not a {type(content).__name__}")
    content.setdefault("name", path.stem)
    for override in overrides:
        apply_override(content, override)
    return parse_recipe(content, str(path))


def parse_recipe(content: dict[str, Any], source: str) -> Recipe:
    """Check a recipe that was read from `source`; raises RecipeError."""
    data = content.get("data")
    if isinstance(data, dict) and "format" not in data:
        content = {**content, "data": {"format": "scenes", **data}}
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise RecipeError(f"{source}: " + "; ".join(_say(e) for e in error.errors())) from error


def apply_override(content: dict[str, Any], override: str) -> None:
    """Set one value of a recipe that is not parsed yet, as `section.key=value` says."""
    key, separator, value = override.partition("=")
    if not separator or not key.strip():
        raise RecipeError(f"--set {override!r} must be of the form section.key=value")
    *sections, last = key.strip().split(".")
    place = content
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise RecipeError(f"--set {key}: {section} is a value, not a section")
    try:
        place[last] = yaml.safe_load(value)
    except YAML_FAULTS as error:
        raise RecipeError(f"--set {key}: {value!r} is not valid YAML") from error
    if isinstance(place[last], str):
        # YAML 1.1 reads 1e-3 as a text; a user means the number.
        with contextlib.suppress(ValueError):
            place[last] = float(place[last])


def _say(error: Any) -> str:
    """Turn a finding of pydantic into words that name the key and, for a typo, the nearest."""
    # Under `data` pydantic puts the format into the path; the user's file has no such level.
    steps = [p for i, p in enumerate(error["loc"]) if not (i == 1 and error["loc"][0] == "data")]
    path = ".".join(str(p) for p in steps)
    if error["type"] != "extra_forbidden":
        return f"{path}: {error['msg'].removeprefix('Value error, ')}"
    known = sorted(_known_keys(error["loc"]))
    near = difflib.get_close_matches(str(error["loc"][-1]), known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
    return f"unknown key {path!r}: {hint}"


def _known_keys(location: tuple[Any, ...]) -> set[str]:
    """Return the keys that are allowed beside the unknown one at `location`."""
    model: Any = Recipe
    for part in location[:-1]:
        if part in DATA_FORMATS:  # pydantic puts the format of the data section into the path
            model = DATA_FORMATS[part]
            continue
        model = model.model_fields[part].annotation
        if get_args(model):
            model = get_args(model)[0]
    return set(model.model_fields)
