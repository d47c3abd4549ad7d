"""The recipe: one YAML file, one section a stage, read into models that refuse typing errors."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from .errors import RecipeError
from .recipe_data import DATA_FORMATS, DataSection, ScenesData
from .recipe_export import ExportSection
from .recipe_section import Section
from .recipe_training import NetworkSection, TrainingSection

SHIPPED = Path(__file__).parent / "training" / "recipes"

YAML_FAULTS = (yaml.YAMLError, ValueError)
"""What pyyaml raises; ValueError is bad UTF-8, or a date that is none such as 2024-13-45."""


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
    adaround_iterations: int = Field(500, ge=1)
    """For each layer; of the f38 network 500 on 64 images take eight minutes of one core."""

    @model_validator(mode="after")
    def _own_ranges(self) -> QuantizationSection:
        if self.ranges == "trained" and self.equalise:
            raise ValueError("equalise changes what trained ranges were learnt for: choose one")
        return self


class EvaluationSection(Section):
    """Thresholds for scoring (low: the whole curve is seen), and the detector's defaults."""

    score: float = Field(0.01, ge=0, lt=1)
    default_score: float = Field(0.3, ge=0, lt=1)
    per_class: dict[str, Annotated[float, Field(ge=0, lt=1)]] = Field(default_factory=dict)
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
        """Return the class names without the background.

        The class of partial objects comes last, where crops make them and the data has none.
        """
        names = ("head",) if isinstance(self.data, ScenesData) else self.data.classes
        partial = self.training.augment.partial_class
        return (*names, partial) if partial and partial not in names else names


def shipped_recipes() -> list[str]:
    """Return the names of the recipes that come with hexdet."""
    return sorted(p.stem for p in SHIPPED.glob("*.yaml"))


def recipe_file(name_or_path: str) -> Path:
    """Return the file of a recipe, by its path or a shipped one's name; RecipeError for none."""
    path = Path(name_or_path)
    if not path.is_file():
        path = SHIPPED / f"{name_or_path}.yaml"
    if not path.is_file():
        raise RecipeError(
            f"no recipe {name_or_path!r}: give a YAML file or one of {', '.join(shipped_recipes())}"
        )
    return path


def load_recipe(name_or_path: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe by its file, or a shipped one by its name, and apply `key.key=value` overrides.

    Raises RecipeError for a missing file, bad YAML, an unknown key (with its path and the nearest
    name) or a bad value.
    """
    path = recipe_file(name_or_path)
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
        # A default that hangs on a value which is itself at fault is not worth a word.
        faults = [e for e in error.errors() if e["type"] != "default_factory_not_called"]
        raise RecipeError(f"{source}: " + "; ".join(_say(e) for e in faults)) from error


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
