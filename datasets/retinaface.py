"""Reader of WIDER FACE with RetinaFace's landmarks: label.txt, and SCRFD's labelv2.txt."""

from __future__ import annotations

import math
from pathlib import Path

from ..recipe.data import RetinaFaceData
from .annotated_files import AnnotatedFiles, no_dataset
from .faults import Faults
from .listing import POINTS, Box, Listing
from .texts import filled, numbers, read_lines, stem_of

UNKNOWN = -1.0
"""Stands for the coordinates and the flag of a point that nobody marked."""


def open_retinaface(
    data: RetinaFaceData, folder: Path, split: str, faults: Faults
) -> AnnotatedFiles:
    """Open one split: `# path` of an image, then a line a face.

    In label.txt a face is x, y, width and height, then x, y and a flag of each landmark, then how
    sharp it is; of the validation images it is the box alone. A flag is 0 where the point is to be
    seen, 1 where it was guessed, -1 where it is not known. In labelv2.txt the image's line also
    tells its width and height, and a face's first numbers are the corners of its box.
    Raises DataError where the text or an image is missing or a line cannot be read.
    """
    path = folder / filled(data.annotations, split)
    images = filled(data.images, split)
    if not path.is_file():
        layout = f"{filled(data.annotations, split)}, {images}/<event>/*.jpg"
        raise no_dataset(folder, address=data.address, layout=layout)
    listing = Listing()
    corners = False
    for number, line in read_lines(path):
        if line.startswith("#"):
            image, size = _image(line.removeprefix("#").strip())
            corners = size is not None
            listing.add_image(stem_of(image), f"{images}/{image}", size)
            continue
        row = numbers(line.split())
        if row is None or len(row) not in (4, 4 + POINTS * 3 // 2, 5 + POINTS * 3 // 2):
            text = f"{path}, line {number}: {line[:80]!r} is no face with five landmarks"
            faults.add(listing.names[-1] if len(listing) else "", "unreadable annotation", text)
            continue
        if not len(listing):
            text = f"{path}, line {number}: a face before the first image"
            faults.add("", "unreadable annotation", text)
            continue
        x, y, third, fourth = row[:4]
        box: Box = (x, y, third, fourth) if corners else (x, y, x + third, y + fourth)
        ignore = min(box[2] - x, box[3] - y) < data.min_side_px
        points = _points(row[4 : 4 + POINTS * 3 // 2])
        listing.add_object(box, data.classes[0], ignore=ignore, landmarks=points)
    return AnnotatedFiles(
        folder,
        listing,
        name=f"{folder.name}/{split}",
        classes=data.classes,
        faults=faults,
    )


def _image(text: str) -> tuple[str, tuple[int, int] | None]:
    """Return path and, where it is told, (width, height) of an image."""
    words = text.rsplit(maxsplit=2)
    if len(words) == 3 and words[1].isdecimal() and words[2].isdecimal():
        return words[0], (int(words[1]), int(words[2]))
    return text, None


def _points(row: list[float]) -> list[float] | None:
    """Return x, y of the points, NaN where one is not known; row: x, y and flag of each."""
    points: list[float] = []
    for x, y, flag in zip(row[0::3], row[1::3], row[2::3], strict=True):
        points += [math.nan, math.nan] if flag == UNKNOWN else [x, y]
    return points or None
