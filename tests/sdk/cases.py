"""The matrix of SDKs, chips and encodings, and the table of misbehaviours: for tests and tables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hexdet.errors import HexdetError
from hexdet.export.bundle import Bundle
from hexdet.export.sdk.discovery import discover
from hexdet.export.sdk.making import Made, make_sdk_dlcs
from hexdet.export.stages import STAGES, Watcher

CHIPS = {"SM8250": 66, "SM8350": 68, "SM8550": 73}
UNKNOWN = {("1.68", "SM8550")}
"""Of these releases the chip is newer, and the SDK itself refuses it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One square of the matrix. flow, preparation: what is expected to be chosen."""

    version: str
    chip: str
    encodings: str
    flow: str
    preparation: str


def _cell(version: str, chip: str, encodings: str) -> Cell:
    htp = CHIPS[chip] >= 68
    flow = "snpe 1" if version == "1.68" else "snpe 2" if version == "2.10" or not htp else "qairt"
    return Cell(
        version=version,
        chip=chip,
        encodings=encodings,
        flow=flow,
        preparation="cache" if htp else "none",
    )


MATRIX = [
    _cell(version, chip, encodings)
    for version in ("1.68", "2.10", "2.25", "2.48")
    for chip in CHIPS
    for encodings in ("ours", "theirs")
    if (version, chip) not in UNKNOWN
]
USUAL = [
    _cell("1.68", "SM8250", "theirs"),
    _cell("2.10", "SM8350", "ours"),
    _cell("2.25", "SM8550", "ours"),
    _cell("2.48", "SM8550", "theirs"),
]
"""Those of the matrix that are always tested: each flow, each release, both encodings."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A misbehaviour of one tool, and what the user must be told; good: it is only a warning."""

    tool: str
    fault: str
    says: str
    version: str = "2.25"
    chip: str = "SM8550"
    encodings: str = "theirs"
    time_limit_s: float = 300.0
    good: bool = False


FAULTS = [
    Fault(tool="qairt-converter", fault="no-output", says="exit code 0 and wrote no float.dlc"),
    Fault(tool="qairt-converter", fault="crash", says="told to crash"),
    Fault(tool="qairt-converter", fault="truncated", says="cannot be read"),
    Fault(tool="qairt-converter", fault="batch-shrunk", says="without a word"),
    Fault(tool="qairt-converter", fault="unsupported-op", says="of our graph it is Conv at"),
    Fault(tool="qairt-converter", fault="hang", says="was ended", time_limit_s=3.0),
    Fault(
        tool="snpe-onnx-to-dlc", fault="zero-encodings", chip="SM8250", encodings="ours",
        says="processed 0 quantization encodings",
    ),
    Fault(tool="snpe-dlc-quant", fault="no-output", chip="SM8250", says="wrote no int8.dlc"),
    Fault(
        tool="snpe-dlc-quant", fault="error-but-good", chip="SM8250", good=True,
        says="so the step counts as done",
    ),
    Fault(
        tool="snpe-dlc-graph-prepare", fault="unknown-target", says="does not know this chip",
    ),
    Fault(
        tool="snpe-dlc-graph-prepare", fault="prepare-error", says="holds no cache for the HTP",
    ),
]  # fmt: skip


def drive(bundle: Path, root: Path, chip: str, **section: Any) -> Made:
    """Let an SDK make the DLC of a bundle for a chip, the keys of export.sdk being changed."""
    opened = Bundle(bundle, STAGES)
    recipe = opened.recipe()
    changed = recipe.export.sdk.model_validate({**recipe.export.sdk.model_dump(), **section})
    export = recipe.export.model_copy(update={"sdk": changed})
    recipe = recipe.model_copy(update={"export": export})
    sdk = discover(root, None, os.environ).require()
    (made,) = make_sdk_dlcs(opened, recipe, sdk, [chip], Watcher())
    return made


def told(bundle: Path, root: Path, fault: Fault) -> str:
    """Return what a user is told of a misbehaviour, error or warnings."""
    try:
        made = drive(
            bundle, root, fault.chip, encodings=fault.encodings, time_limit_s=fault.time_limit_s
        )
    except HexdetError as error:
        return str(error)
    return "; ".join(made.notes)
