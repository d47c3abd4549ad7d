"""A picture with heads in it."""

from __future__ import annotations

from pathlib import Path

import cv2

from hexdet.datasets.scenes import Scenes


def write_picture(folder: Path) -> Path:
    """Write it into a folder and return its path."""
    path = folder / "hall.png"
    cv2.imwrite(str(path), Scenes(split="test", count=200, seed=0)[1].image)
    return path
