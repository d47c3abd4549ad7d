"""Anchors written into a user's recipe, and read back before the file is kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ...errors import RecipeError
from ...recipe import SHIPPED, YAML_FAULTS, Recipe, parse_recipe
from ...runtime.files import write_bytes
from .bands import LevelAnchors
from .yaml_edit import KEY, SECTION, replace_anchors


def check_target(target: Path) -> None:
    """Raise RecipeError where a file is one of hexdet's own recipes."""
    if target.resolve().is_relative_to(SHIPPED.resolve()):
        raise RecipeError(
            f"{target} comes with hexdet, and its checkpoint hangs on its anchors: write to a "
            f"file of your own, --write my.yaml"
        )


def write_anchors(
    target: Path, source: Path, recipe: Recipe, anchors: Sequence[LevelAnchors], note: str
) -> Path:
    """Write anchors into the recipe `target`, atomically; a new file starts as a copy of `source`.

    recipe: what the anchors were fitted for; the file must say the same of data and network.
    note: becomes a comment. Raises RecipeError, the file being as it was, where it is one of
    hexdet's own, no recipe, another recipe, or laid out so that the block cannot be replaced.
    """
    check_target(target)
    origin = target if target.exists() else source
    try:
        text = origin.read_bytes().decode("utf-8")
        before = _content(text, origin)
    except (*YAML_FAULTS, RecursionError) as error:
        raise RecipeError(f"{origin} is not valid YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise RecipeError(f"cannot read {origin}: {error.strerror}") from error
    _check_same(target, parse_recipe({"name": target.stem, **before}, str(origin)), recipe)
    changed = replace_anchors(text, anchors, note)
    if not _differs_in_anchors(before, changed, anchors):
        raise RecipeError(
            f"{origin} is laid out so that {SECTION}.{KEY} cannot be replaced alone (does an alias "
            f"use it elsewhere?): put the section that is printed without --write into it yourself"
        )
    # Behind a symbolic link the file itself; bytes, so that its line ends stay.
    return write_bytes(target.resolve(), changed.encode("utf-8"))


def _content(text: str, path: Path) -> dict[str, Any]:
    content = yaml.safe_load(text)
    if not isinstance(content, dict | None):
        raise RecipeError(f"{path} must hold sections (key: value)")
    return content or {}


def _differs_in_anchors(
    before: dict[str, Any], changed: str, anchors: Sequence[LevelAnchors]
) -> bool:
    """Tell whether a changed text says what it said before, but for its anchors."""
    wanted = [[list(pair) for pair in level] for level in anchors]
    try:
        after = yaml.safe_load(changed)
    except YAML_FAULTS:
        return False
    expected = {**before, SECTION: {**(before.get(SECTION) or {}), KEY: wanted}}
    return bool(after == expected)


def _check_same(path: Path, found: Recipe, wanted: Recipe) -> None:
    """Raise RecipeError where a file describes other data or another network."""
    for name in ("data", SECTION):
        theirs, ours = (getattr(v, name).model_dump(exclude={KEY}) for v in (found, wanted))
        other = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
        if other:
            raise RecipeError(
                f"{path} says something else of {name}.{other[0]} than what the anchors were "
                f"fitted for: change it there first, or write to another file"
            )
