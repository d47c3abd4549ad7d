"""Reading a recipe: a file or a shipped one's name, `--set` on top, faults in the user's words."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from ..errors import RecipeError
from .data import DATA_FORMATS
from .recipe import Recipe

SHIPPED = Path(__file__).parents[1] / "training" / "recipes"

YAML_FAULTS = (yaml.YAMLError, ValueError)
"""What pyyaml raises; ValueError is bad UTF-8, or a date that is none such as 2024-13-45."""


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


def changed(recipe: Recipe, overrides: Iterable[str], source: str) -> Recipe:
    """Return a recipe with overrides applied. Raises RecipeError, in which it is called source."""
    content = recipe.model_dump(mode="json")
    for override in overrides:
        apply_override(content, override)
    return parse_recipe(content, source)


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
