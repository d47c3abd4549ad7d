"""The detector: an image in, detections out, on whatever runs the network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .anchors import all_anchors
from .backend import Backend, Closing, CpuBackend, Precision
from .contract import DetectorContract, Thresholds, load_contract
from .detections import Detections
from .placement import Placement, Prepared, prepare
from .postprocess import postprocess

BackendName = Literal["cpu", "htp"]


class Detector(Closing):
    """An SSD with its contract; call it with an image. Use one object from one thread at a time."""

    def __init__(self, contract: DetectorContract, backend: Backend) -> None:
        self.contract = contract
        self.backend = backend
        self._anchors = all_anchors(contract)

    @classmethod
    def load(
        cls,
        bundle: str | os.PathLike[str],
        *,
        backend: BackendName = "cpu",
        precision: Precision = "int8",
        arch: int = 73,
    ) -> Detector:
        """Open a bundle.

        backend: "cpu" is onnxruntime's CPU provider; "htp" the Hexagon Tensor Processor: the real
            one on a Snapdragon board, its emulation (of version `arch`) on an x86 PC.
        precision: "int8" or, on the CPU alone, "float".
        Raises ArtifactError for a missing or damaged bundle, ToolError where the HTP fails.
        """
        folder = Path(bundle)
        contract = load_contract(folder)
        if backend == "cpu":
            return cls(contract, CpuBackend(folder, contract, precision))
        from .htp import HtpBackend

        return cls(contract, HtpBackend(folder, contract, precision, arch=arch))

    def __call__(
        self,
        image: npt.NDArray[np.uint8],
        *,
        score: float | None = None,
        nms_iou: float | None = None,
        max_detections: int | None = None,
    ) -> Detections:
        """Return the detections of a BGR image, uint8 [height, width, 3], of any size.

        Thresholds that are not given are those of the contract.
        """
        prepared = self.prepare(image)
        outputs = self.infer(prepared.pixels)
        return self.finish(
            outputs,
            prepared.placement,
            self.thresholds(score=score, nms_iou=nms_iou, max_detections=max_detections),
        )

    def thresholds(
        self,
        *,
        score: float | None = None,
        nms_iou: float | None = None,
        max_detections: int | None = None,
    ) -> Thresholds:
        """Return the contract's thresholds with those given put in their place."""
        default = self.contract.thresholds
        return Thresholds(
            score=default.score if score is None else score,
            nms_iou=default.nms_iou if nms_iou is None else nms_iou,
            max_detections=default.max_detections if max_detections is None else max_detections,
        )

    def prepare(self, image: npt.NDArray[np.uint8]) -> Prepared:
        """Return what the network reads of a BGR image, and where the image lies in it."""
        return prepare(image, self.contract.input)

    def infer(self, pixels: npt.NDArray[np.uint8]) -> Mapping[str, npt.NDArray[Any]]:
        """Run the network on prepared pixels, uint8 [1, h, w, 3]; its raw outputs by name."""
        return self.backend.run(pixels)

    def finish(
        self,
        outputs: Mapping[str, npt.NDArray[Any]],
        placement: Placement,
        thresholds: Thresholds,
    ) -> Detections:
        """Return the detections that raw outputs stand for, in pixels of the image."""
        encodings = self.backend.encodings
        floats = {
            name: encodings[name].dequantize(value) if value.dtype == np.uint8 else value
            for name, value in outputs.items()
        }
        size = (placement.image_width, placement.image_height)
        return postprocess(floats, self._anchors, self.contract, size, thresholds)

    def close(self) -> None:
        """Close the backend."""
        self.backend.close()
