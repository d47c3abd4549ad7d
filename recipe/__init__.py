"""The recipe: one YAML file, one section a stage, read into models that refuse typing errors."""

from __future__ import annotations

from .loading import (
    SHIPPED,
    YAML_FAULTS,
    apply_override,
    load_recipe,
    parse_recipe,
    recipe_file,
    shipped_recipes,
)
from .quantization import CalibrationSection, QuantizationSection
from .recipe import EvaluationSection, Recipe

__all__ = [
    "SHIPPED",
    "YAML_FAULTS",
    "CalibrationSection",
    "EvaluationSection",
    "QuantizationSection",
    "Recipe",
    "apply_override",
    "load_recipe",
    "parse_recipe",
    "recipe_file",
    "shipped_recipes",
]
