"""The detector: an image in, detections out, on whatever runs the network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from .anchors import all_anchors
from .backend import Backend, Closing, CpuBackend, Precision
from .contract import DetectorContract, Thresholds, load_contract
from .detections import Detections
from .images import to_pixels
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
        default = self.contract.thresholds
        thresholds = Thresholds(
            score=default.score if score is None else score,
            nms_iou=default.nms_iou if nms_iou is None else nms_iou,
            max_detections=default.max_detections if max_detections is None else max_detections,
        )
        outputs = self.backend.run_float(to_pixels(image, self.contract.input))
        size = (image.shape[1], image.shape[0])
        return postprocess(outputs, self._anchors, self.contract, size, thresholds)

    def close(self) -> None:
        """Close the backend."""
        self.backend.close()
