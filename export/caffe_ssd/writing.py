"""A Caffe SSD brought into two files that `hexdet export` takes: an ONNX graph and a contract."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import yaml

from ...errors import ArtifactError
from ...recipe import Recipe, apply_override, parse_recipe
from ...runtime.files import replacing, sha256_of, write_text
from ...training.contract import contract_of
from ..foreign import cut_foreign
from .building import build
from .contract import derive, read_labels
from .folding import fold
from .reading import read_caffemodel, read_prototxt

LABEL_FILES = ("labelmap.prototxt", "labelmap.txt")
"""Where the class names lie if nothing else is said: beside the prototxt."""
IMAGES = {"train": "calibration", "test": "test"}
"""Folders that the contract names until the user names others."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """The files, how many norms were folded, and what the prototxt did not say."""

    graph: Path
    contract: Path
    recipe: Recipe
    folded: int
    assumed: tuple[str, ...]


def import_caffe_files(
    weights: Path, prototxt: Path, labels: Path | None, out: Path, overrides: Iterable[str]
) -> Written:
    """Write a Caffe SSD as `out`/NAME.onnx and the contract that its prior boxes give beside it.

    labels: a file of class names; where None, one that lies beside the prototxt. The contract is
    held against what the graph computes before anything is written. Raises ArtifactError as
    `import_caffe_ssd` and `derive` do, RecipeError for an override that does not fit.
    """
    folded = fold(read_prototxt(prototxt), read_caffemodel(weights), weights)
    graph = build(folded, weights)
    found = [prototxt.with_name(name) for name in LABEL_FILES]
    named = labels or next((path for path in found if path.is_file()), None)
    names = None if named is None else read_labels(named)
    derived = derive(folded.net, graph.shapes, names)
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", weights.stem).lstrip("._-") or "caffe"
    content: dict[str, Any] = {
        "name": name,
        "data": {"format": "images", "classes": derived.sections["classes"], **IMAGES},
        "network": {"name": f"caffe_{name}", **derived.sections["network"]},
        "evaluation": derived.sections["evaluation"],
    }
    for override in overrides:
        apply_override(content, override)
    recipe = parse_recipe(content, str(out / f"{name}.yaml"))
    model = graph.model(recipe.export.opset)
    cut_foreign(_copy(model), weights, contract_of(recipe), recipe.export.opset)
    path, contract = out / f"{name}.onnx", out / f"{name}.yaml"
    for file in (path, contract):
        if file.exists() and file.resolve() in (weights.resolve(), prototxt.resolve()):
            raise ArtifactError(f"{file} would be overwritten: give another --out")
    with replacing(path) as temporary:
        onnx.save(model, temporary)
    header = "".join(
        f"# {line}\n"
        for line in (
            f"Derived from {prototxt.name} (sha256 {sha256_of(prototxt)[:16]}).",
            f"hexdet export --onnx {path.name} --contract {contract.name}",
            *(f"Taken for granted: {text}." for text in derived.assumed),
            "data: two folders of images, to calibrate and to compare on, under HEXDET_DATA.",
        )
    )
    write_text(
        contract,
        header + yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=96),
    )
    return Written(
        graph=path,
        contract=contract,
        recipe=recipe,
        folded=len(folded.folded),
        assumed=derived.assumed,
    )


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    return copied
