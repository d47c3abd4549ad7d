"""Quantizing a bundle's float graph again with other calibration images, beside the bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..recipe import Recipe
from ..runtime.backend import graph_path
from ..runtime.contract import load_contract
from ..runtime.scratch import scratch_folder
from .bundle import Bundle
from .quantizing_stage import quantize_bundle
from .stages import STAGES, Watcher


@contextmanager
def requantizer(bundle: Bundle, recipe: Recipe) -> Iterator[Callable[[int, int], Path]]:
    """Yield a function that quantizes with so many calibration images, drawn by a seed.

    It returns a folder with `detector.json` and `int8.onnx`, the same at each call and gone at the
    end; the bundle itself stays as it is. Raises what quantizing raises.
    """
    with scratch_folder() as folder:
        shutil.copy(graph_path(bundle.folder, "float"), folder)
        load_contract(bundle.folder).save(folder)

        def requantize(count: int, seed: int) -> Path:
            chosen = recipe.calibration.model_copy(update={"images": count, "seed": seed})
            changed = recipe.model_copy(update={"calibration": chosen})
            quantize_bundle(Bundle(folder, STAGES), changed, Watcher())
            return folder

        yield requantize
