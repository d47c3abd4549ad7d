"""Refusing calibration images that are evaluated on: they would flatter the integer graph."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from ..datasets.images import ImageFolder
from ..datasets.record import Dataset
from ..datasets.scenes import Scenes
from ..errors import DataError
from ..runtime.contract import InputSpec
from ..runtime.images import to_pixels
from .images import CalibrationImages, digest_of

SHOWN = 5


def refuse_overlap(
    images: CalibrationImages,
    calibrated: Dataset,
    evaluated: Dataset,
    spec: InputSpec,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Raise DataError, naming them, where calibration images are among the evaluation images.

    Two images are the same where the network reads the same pixels of both, whatever they are
    called, or where they have the same name. The files of two plain folders are compared by their
    pixels alone: both may well count from 1. calibrated: what `images` were chosen from.
    """
    if _are_other_scenes(calibrated, evaluated):
        return
    held = dict(zip(images.sha256, images.names, strict=True))
    by_folder = isinstance(calibrated, ImageFolder) and isinstance(evaluated, ImageFolder)
    named = set() if by_folder else set(images.names)
    pairs = []
    for done, (name, digest) in enumerate(_evaluation_images(evaluated, spec), 1):
        if digest in held:
            pairs.append((held[digest], name))
        elif name in named:
            pairs.append((name, name))
        progress(done, len(evaluated))
    if not pairs:
        return
    shown = ", ".join(a if a == b else f"{a} (there {b})" for a, b in pairs[:SHOWN])
    more = f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    raise DataError(
        f"{len(pairs)} of the calibration images from {images.dataset} are among the evaluation "
        f"images of {evaluated.name}: {shown}{more}; the score would be flattered: keep "
        f"data.train and data.test apart"
    )


def _are_other_scenes(a: Dataset, b: Dataset) -> bool:
    """Tell whether both are rendered from other seeds: a scene depends on its seed and split."""
    if not (isinstance(a, Scenes) and isinstance(b, Scenes)):
        return False
    return (a.seed, a.split) != (b.seed, b.split)


def _evaluation_images(evaluated: Dataset, spec: InputSpec) -> Iterator[tuple[str, str]]:
    """Yield name and sha256 of every evaluation image."""

    def one(index: int) -> tuple[str, str]:
        record = evaluated[index]
        return record.name, digest_of(to_pixels(record.image, spec))

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield from pool.map(one, range(len(evaluated)))
