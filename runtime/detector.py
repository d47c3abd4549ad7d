"""The detector: an image in, detections out, on whatever runs the network."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError, DataError
from .backend import Backend, Closing, CpuBackend
from .contract import FILE_NAME, Colour, DetectorContract, Thresholds, load_contract
from .detections import Detections
from .images import Image, Prepared, prepare
from .placement import Placement
from .postprocess import Postprocessor
from .signature import Precision

BackendName = Literal["auto", "cpu", "htp"]


class Detector(Closing):
    """An SSD with its contract: call it with an image.

        with Detector.load("build/heads") as detector:
            detections = detector(image)

    One object may be used from several threads: `prepare` runs beside anything, the network runs
    one picture at a time and so does the post-processing, so that one thread may prepare a frame
    while another infers and a third finishes. The steps are public for those who do so; calling
    the detector does all three. Close it when no thread uses it any more.
    """

    def __init__(self, contract: DetectorContract, backend: Backend) -> None:
        self.contract = contract
        self.backend = backend
        self._postprocess = Postprocessor(contract, backend.encodings)
        self._inferring = threading.Lock()
        self._finishing = threading.Lock()

    @classmethod
    def load(
        cls,
        bundle: str | os.PathLike[str],
        *,
        backend: BackendName = "auto",
        precision: Precision = "int8",
        arch: int | None = None,
        threads: int | None = None,
        time_limit_s: float | None = None,
    ) -> Detector:
        """Open a bundle.

        backend: "cpu" is onnxruntime's CPU provider; "htp" the Hexagon Tensor Processor: the real
            one on a Snapdragon board, its emulation (slow, for tests) on an x86 PC; "auto" the HTP
            where the real one is there and `precision` is "int8", else the CPU. The real one is
            there on Linux for aarch64 with the kernel's FastRPC device, onnxruntime-qnn installed
            and a device offered by it; if it then fails, that is an error, not a silent CPU.
        precision: "int8" or, on the CPU alone, "float".
        arch: Hexagon version, for the HTP. Where None, a board's own; the emulator takes the one
            that the bundle was exported for.
        threads: of the network on the CPU; where None, one a core.
        time_limit_s: for opening the emulator and for each picture on it, 180 s where None.
        Raises ArtifactError for a bundle that is missing, damaged or whose graph does not fit its
        `detector.json`, or that was replaced while it was opened; ToolError where the HTP fails.
        """
        folder = Path(bundle)
        before = _seal(folder)
        contract = load_contract(folder)
        opened = _open(folder, contract, backend, precision, arch, threads, time_limit_s)
        detector = cls(contract, opened)
        # Whoever replaces a bundle takes its detector.json away first and brings the new one last.
        if _seal(folder) != before:
            detector.close()
            raise ArtifactError(f"{folder} was replaced while it was opened: open it again")
        return detector

    def __call__(
        self,
        image: Image,
        *,
        colour: Colour = "bgr",
        score: float | None = None,
        nms_iou: float | None = None,
        max_detections: int | None = None,
        thresholds: Thresholds | None = None,
    ) -> Detections:
        """Return the detections of an image, in its own pixels.

        image: of any size; uint8 or uint16, grey, with 3 channels or with alpha (see `images`).
        colour: the order of its channels.
        thresholds: all options of the post-processing (least score, also per class; kind of NMS;
            top_k), the contract's where None; score, nms_iou and max_detections change one of them.
        Raises DataError for an image that is none, ArtifactError for a damaged network.
        """
        chosen = self.thresholds(
            thresholds, score=score, nms_iou=nms_iou, max_detections=max_detections
        )
        prepared = self.prepare(image, colour=colour)
        return self.finish(self.infer(prepared.pixels), prepared.placement, chosen)

    def batch(
        self,
        images: Iterable[Image],
        *,
        colour: Colour = "bgr",
        score: float | None = None,
        nms_iou: float | None = None,
        max_detections: int | None = None,
        thresholds: Thresholds | None = None,
    ) -> list[Detections]:
        """Return the detections of each image, in order; the images may differ in size and kind.

        Arguments as for a call. The graph reads one picture, so that a batch takes as long as its
        images one by one. Raises DataError, naming the position, for an image that is none.
        """
        chosen = self.thresholds(
            thresholds, score=score, nms_iou=nms_iou, max_detections=max_detections
        )
        found = []
        for position, image in enumerate(images):
            try:
                found.append(self(image, colour=colour, thresholds=chosen))
            except DataError as error:
                raise DataError(f"image {position} of the batch: {error}") from error
        return found

    def thresholds(
        self,
        base: Thresholds | None = None,
        *,
        score: float | None = None,
        nms_iou: float | None = None,
        max_detections: int | None = None,
    ) -> Thresholds:
        """Return the contract's thresholds, or `base`, with those given put in their place.

        A score holds for every class: those of single classes go. Keep what it returns where many
        images follow: the post-processing remembers it.
        """
        chosen = self.contract.thresholds if base is None else base
        given = {"score": score, "nms_iou": nms_iou, "max_detections": max_detections}
        changes: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
        if score is not None:
            changes["per_class"] = {}
        return replace(chosen, **changes) if changes else chosen

    def prepare(self, image: Image, *, colour: Colour = "bgr") -> Prepared:
        """Return what the network reads of an image, and where the image lies in it."""
        return prepare(image, self.contract.input, colour=colour)

    def infer(self, pixels: npt.NDArray[np.uint8]) -> Mapping[str, npt.NDArray[Any]]:
        """Run the network on prepared pixels, uint8 [1, h, w, 3]; its raw outputs by name."""
        with self._inferring:
            return self.backend.run(pixels)

    def finish(
        self,
        outputs: Mapping[str, npt.NDArray[Any]],
        placement: Placement,
        thresholds: Thresholds,
    ) -> Detections:
        """Return the detections that raw outputs stand for, in pixels of the image.

        Raises ArtifactError for outputs that do not fit the contract or are not finite, ValueError
        for a threshold of an unknown class.
        """
        with self._finishing:
            return self._postprocess(outputs, placement, thresholds)

    def close(self) -> None:
        """Close the backend."""
        self.backend.close()


def _seal(folder: Path) -> tuple[int, ...] | None:
    """Return what tells one detector.json from the next, even of the same content; None of none."""
    try:
        found = (folder / FILE_NAME).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns


def _open(
    folder: Path,
    contract: DetectorContract,
    backend: BackendName,
    precision: Precision,
    arch: int | None,
    threads: int | None,
    limit_s: float | None,
) -> Backend:
    """Open a bundle's graph on the backend that was asked for, or that is there."""
    if backend == "cpu" or (backend == "auto" and precision == "float"):
        return CpuBackend(folder, contract, precision, threads=threads)
    from .htp import TIME_LIMIT_S, HtpBackend, dsp_is_here

    if backend == "auto" and not dsp_is_here():
        return CpuBackend(folder, contract, precision, threads=threads)
    limit = TIME_LIMIT_S if limit_s is None else limit_s
    return HtpBackend(folder, contract, precision, arch=arch, time_limit_s=limit)
