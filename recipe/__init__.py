"""The recipe: one YAML file, one section a stage, read into models that refuse typing errors."""

from __future__ import annotations

from .evaluation import EvaluationSection
from .export import ExportSection, SdkSection
from .loading import (
    SHIPPED,
    YAML_FAULTS,
    apply_override,
    changed,
    load_recipe,
    parse_recipe,
    recipe_file,
    shipped_recipes,
)
from .network import NetworkSection
from .quantization import CalibrationSection, QuantizationSection
from .recipe import Recipe
from .training import AugmentSection, TrainingSection

__all__ = [
    "SHIPPED",
    "YAML_FAULTS",
    "AugmentSection",
    "CalibrationSection",
    "EvaluationSection",
    "ExportSection",
    "NetworkSection",
    "QuantizationSection",
    "Recipe",
    "SdkSection",
    "TrainingSection",
    "apply_override",
    "changed",
    "load_recipe",
    "parse_recipe",
    "recipe_file",
    "shipped_recipes",
]
