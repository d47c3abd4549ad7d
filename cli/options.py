"""The arguments and options that several verbs share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class BackendChoice(StrEnum):
    """What runs the network."""

    cpu = "cpu"
    htp = "htp"


class PlaceChoice(StrEnum):
    """What runs the network, or `auto`: a board's own DSP where there is one, else the CPU."""

    auto = "auto"
    cpu = "cpu"
    htp = "htp"


class PrecisionChoice(StrEnum):
    """Which graph of the bundle runs."""

    int8 = "int8"
    float = "float"


class MetricChoice(StrEnum):
    """Which figures are computed."""

    coco = "coco"
    voc07 = "voc07"
    voc = "voc"
    mr = "mr"


class SaveChoice(StrEnum):
    """What results are kept as."""

    image = "image"
    video = "video"
    jsonl = "jsonl"


class JobChoice(StrEnum):
    """Which work a machine is examined for."""

    export = "export"
    detect = "detect"


class SplitChoice(StrEnum):
    """Which part of the dataset is scored."""

    train = "train"
    val = "val"
    test = "test"


class ToolchainChoice(StrEnum):
    """Whose tools write the DLCs."""

    pip = "pip"
    sdk = "sdk"


class MethodChoice(StrEnum):
    """How anchors are fitted."""

    kmeans = "kmeans"
    statistics = "statistics"


RecipeName = Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe file, or heads, bccd.")]
BundleFolder = Annotated[Path, typer.Argument(metavar="BUNDLE", help="For instance build/heads.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="e.g. training.epochs=3")
]
BuildFolder = Annotated[Path, typer.Option("--build", help="Where bundles are kept.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N images.")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Emulators at once; else one a core.")
]
ResultsFile = Annotated[Path, typer.Option("--results", help="Where figures are remembered.")]
RESULTS = Path("build/results.jsonl")
