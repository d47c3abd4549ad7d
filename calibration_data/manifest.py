"""The record of a calibration set: which images, with the sha256 of what the network saw."""

from __future__ import annotations

import json
from pathlib import Path

from ..runtime.files import write_text
from .images import CalibrationImages

FILE_NAME = "calibration.json"


def save_manifest(images: CalibrationImages, folder: Path, selection: str) -> Path:
    """Write names and hashes, not the pixels, as `calibration.json`.

    selection: how they were chosen.
    """
    rows = [
        {"name": name, "sha256": digest}
        for name, digest in zip(images.names, images.sha256, strict=True)
    ]
    content = {"dataset": images.dataset, "selection": selection, "images": rows}
    return write_text(folder / FILE_NAME, json.dumps(content, indent=1) + "\n")
