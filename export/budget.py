"""Climbing to an accuracy budget: dearer ways of quantizing until the drop is small enough."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import onnx

from ..errors import ArtifactError, NotRunError
from ..evaluation.graph_cost import wide_macs
from ..quantization.advice import worst_layers
from ..quantization.diagnosis import diagnose_bundle
from ..recipe import QuantizationSection, Recipe
from ..runtime.backend import GRAPHS, graph_path
from ..runtime.contract import FILE_NAME as CONTRACT
from ..runtime.scratch import scratch_folder
from .bundle import FILE_NAME as MANIFEST
from .bundle import Bundle
from .quantizing_stage import quantize_bundle
from .stages import STAGES, Watcher

DIAGNOSED_IMAGES = 4
WIDE_COUNTS = (4, 8, 16)

Status = Literal["inside", "outside", "not run"]
Score = Callable[[Path], float]
"""Returns the AP@0.5, 0 to 1, of the integer graph in a folder on the emulated HTP."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One way of quantizing, and what it gave.

    drop: points of AP@0.5 lost against float; negative where it gained. wide_share: share of the
    MACs that read 16-bit activations, 0 to 1. minutes: of quantizing alone. reason: why not run.
    """

    name: str
    section: QuantizationSection
    status: Status
    ap50: float | None = None
    drop: float | None = None
    wide_share: float | None = None
    minutes: float | None = None
    reason: str = ""


def climb_to_budget(
    bundle: Bundle,
    recipe: Recipe,
    max_drop: float,
    float_ap50: float,
    score: Score,
    watch: Watcher,
    done: Callable[[Attempt], None] = lambda attempt: None,
) -> list[Attempt]:
    """Try one way after another, each with all that was right in the one before it.

    max_drop: in points of AP@0.5. score: on the images that the budget is about. The bundle is
    left as it is: the last attempt, where it is inside, says how to quantize. What follows it was
    not needed and is listed as not run.
    """
    attempts: list[Attempt] = []
    with scratch_folder() as folder:
        for file in (GRAPHS["float"], CONTRACT, MANIFEST):
            shutil.copy(bundle.folder / file, folder / file)
        tried = recipe
        for title, change in _ways():
            if any(attempt.status == "inside" for attempt in attempts):
                section = tried.quantization
                attempt = Attempt(
                    name=title, section=section, status="not run", reason="not needed"
                )
            else:
                candidate = tried.model_copy(update={"quantization": change(folder, tried)})
                try:
                    attempt = _try(folder, candidate, title, max_drop, float_ap50, score, watch)
                except ArtifactError as error:
                    if not attempts:  # the graph cannot be quantized at all
                        raise
                    # A method that has nothing to do in this network leaves those behind it.
                    attempt = Attempt(
                        name=title,
                        section=candidate.quantization,
                        status="not run",
                        reason=str(error),
                    )
                tried = candidate if attempt.status != "not run" else tried
            attempts.append(attempt)
            done(attempt)
    return attempts


Change = Callable[[Path, Recipe], QuantizationSection]
"""Returns the next way's section, given the folder and the recipe of the one before it."""


def _ways() -> Iterator[tuple[str, Change]]:
    """Yield each way's name and what it changes in the way before it, the cheapest first."""
    yield "per channel, min-max", lambda folder, recipe: QuantizationSection()
    yield "+ ranges of least squared error", _with(ranges="mse")
    yield "+ equalisation", _with(equalise=True)
    yield "+ bias correction", _with(correct_bias=True)
    yield "+ AdaRound", _with(rounding="adaround")
    for count in WIDE_COUNTS:
        yield f"+ 16 bits for the {count} worst layers", partial(_widen, count)


def _with(**changes: Any) -> Change:
    return lambda folder, recipe: recipe.quantization.model_copy(update=changes)


def _widen(count: int, folder: Path, recipe: Recipe) -> QuantizationSection:
    """Give 16 bits to the inner tensors that lose most by themselves in the graph tried last."""
    layers = diagnose_bundle(folder, recipe, False, DIAGNOSED_IMAGES)
    inner = [layer for layer in layers if not layer.is_output]
    names = tuple(sorted(layer.tensor for layer in worst_layers(inner, count)))
    return recipe.quantization.model_copy(update={"wide": names})


def _try(
    folder: Path,
    recipe: Recipe,
    title: str,
    max_drop: float,
    float_ap50: float,
    score: Score,
    watch: Watcher,
) -> Attempt:
    section = recipe.quantization
    started = time.monotonic()
    try:
        quantize_bundle(Bundle(folder, STAGES), recipe, watch)
    except NotRunError as error:
        return Attempt(name=title, section=section, status="not run", reason=str(error))
    minutes = (time.monotonic() - started) / 60
    ap50 = score(folder)
    drop = 100 * (float_ap50 - ap50)
    model = onnx.load(graph_path(folder, "float"))
    return Attempt(
        name=title,
        section=section,
        # A drop that is not a number is inside no budget.
        status="inside" if drop <= max_drop else "outside",
        ap50=ap50,
        drop=drop,
        wide_share=wide_macs(model, set(section.wide)),
        minutes=minutes,
    )
