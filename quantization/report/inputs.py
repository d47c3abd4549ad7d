"""What decides a report, and whether a stored one still holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import TypeAdapter

from ...datasets.opening import open_split
from ...recipe import Recipe
from ...runtime.files import sha256_of
from .schema import FILE_NAME, SCHEMA_VERSION, Report
from .verdict import with_budget

ARTIFACTS = ("float.onnx", "int8.onnx", "float.dlc", "int8.dlc")


def report_inputs(bundle: Path, recipe: Recipe, versions: dict[str, str]) -> dict[str, str]:
    """Return what decides a report, as sha256 by name: files, test images, thresholds, versions."""
    names = ("detector.json", *ARTIFACTS)
    inputs = {name: sha256_of(bundle / name) for name in names if (bundle / name).is_file()}
    inputs["test images"] = open_split(recipe.data, "test").fingerprint()
    settings = {
        # The budget judges what was measured; it changes nothing of that.
        "evaluation": recipe.evaluation.model_dump(exclude={"max_drop"}),
        "arch": recipe.export.target_arch,
        "versions": versions,
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    inputs["settings and versions"] = digest.hexdigest()
    return inputs


def load_report(bundle: Path, recipe: Recipe, versions: dict[str, str]) -> Report | None:
    """Read a bundle's report and hold it against the recipe's budget.

    None where there is none, where another version of hexdet wrote it, or where anything that
    decides it has changed.
    """
    try:
        content = json.loads((bundle / FILE_NAME).read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA_VERSION:
            return None
        if content["inputs"] != report_inputs(bundle, recipe, versions):
            return None
        report = TypeAdapter(Report).validate_python(content)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return with_budget(report, recipe.evaluation.max_drop)
