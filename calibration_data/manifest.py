"""The record of a calibration set: which images, with the sha256 of what the network saw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..datasets.record import Dataset
from ..runtime.contract import InputSpec
from ..runtime.files import write_text
from ..runtime.images import to_pixels

FILE_NAME = "calibration.json"


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """The calibration images as the integer graph reads them.

    names: one an image; sha256: of its pixels; pixels: uint8 [n, h, w, 3].
    """

    dataset: str
    names: list[str]
    sha256: list[str]
    pixels: npt.NDArray[np.uint8]

    def save(self, folder: Path) -> Path:
        """Write the names and hashes, not the pixels, as `calibration.json`."""
        rows = [
            {"name": name, "sha256": digest}
            for name, digest in zip(self.names, self.sha256, strict=True)
        ]
        content = {"dataset": self.dataset, "images": rows}
        return write_text(folder / FILE_NAME, json.dumps(content, indent=1) + "\n")


def read_calibration_set(
    dataset: Dataset,
    indices: Sequence[int],
    spec: InputSpec,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> CalibrationSet:
    """Read the chosen images of a dataset, preprocessed exactly as at run time."""
    names, digests, pixels = [], [], []
    for done, index in enumerate(indices, 1):
        record = dataset[index]
        picture = to_pixels(record.image, spec)
        names.append(record.name)
        digests.append(hashlib.sha256(picture.tobytes()).hexdigest())
        pixels.append(picture)
        progress(done, len(indices))
    return CalibrationSet(
        dataset=dataset.name, names=names, sha256=digests, pixels=np.concatenate(pixels)
    )
