"""The shared Caffe definitions with random weights, and a way to run what was imported."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from hexdet.export.foreign import cut_foreign
from hexdet.quantization.cpu_session import cpu_session
from hexdet.runtime.backend import Backend
from hexdet.runtime.contract import DetectorContract
from hexdet.runtime.images import normalise

from .opencv_reference import MODELS, filled
from .random_weights import random_caffemodel

MOBILENET = MODELS / "mobilenet_ssd_caffe"
FACE = MODELS / "ultra_light_face"


@dataclass(frozen=True, kw_only=True)
class CaffeFiles:
    """A prototxt and weights for it, in a folder of their own."""

    prototxt: Path
    weights: Path


@pytest.fixture(scope="session")
def caffe_files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], CaffeFiles]:
    """Return the function that gives a shared definition, by its stem, random weights."""
    made: dict[str, CaffeFiles] = {}

    def make(stem: str) -> CaffeFiles:
        source = MOBILENET / f"{stem}.prototxt"
        if not source.is_file():
            pytest.skip(f"no definition at {source}: set HEXDET_DATA")
        if stem not in made:
            folder = tmp_path_factory.mktemp(stem)
            text = filled(source.read_text())
            (folder / source.name).write_text(text)
            (folder / f"{stem}.caffemodel").write_bytes(random_caffemodel(text))
            made[stem] = CaffeFiles(
                prototxt=folder / source.name, weights=folder / f"{stem}.caffemodel"
            )
        return made[stem]

    return make


def run(model: onnx.ModelProto, image: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Return every output of a graph by name."""
    names = [output.name for output in model.graph.output]
    return dict(zip(names, cpu_session(model).run(names, {"image": image}), strict=True))


class GraphBackend(Backend):
    """Runs a foreign graph, cut back to its heads, in memory."""

    def __init__(self, model: onnx.ModelProto, contract: DetectorContract) -> None:
        cut, _ = cut_foreign(model, Path("x.caffemodel"), contract, 17)
        self._cut, self._contract = cut, contract

    def run(self, pixels: npt.NDArray[np.uint8]) -> Mapping[str, npt.NDArray[Any]]:
        """Return the heads, NHWC."""
        return run(self._cut, normalise(pixels, self._contract.input))
