"""Readers of faces with landmarks in text lists: CelebA's, and lists of AFLW's kind."""

from __future__ import annotations

import math
from pathlib import Path

from ..errors import DataError
from ..recipe.data import CelebaData, FaceListData
from .annotated_files import AnnotatedFiles, no_dataset
from .faults import Faults
from .listing import POINTS, Listing
from .texts import numbers, read_lines, stem_of

CELEBA_BOXES, CELEBA_POINTS = "list_bbox_celeba.txt", "list_landmarks_celeba.txt"
CELEBA_SPLITS = "list_eval_partition.txt"
CELEBA_LAYOUT = f"Anno/{CELEBA_BOXES}, Anno/{CELEBA_POINTS}, Eval/{CELEBA_SPLITS}, <images>/*.jpg"

AFLW_POINTS = 19
FIVE_OF_AFLW = (7, 10, 13, 15, 17)
"""Of AFLW's 19 points: the centres of both eyes, the tip of the nose, the corners of the mouth."""


def open_celeba(data: CelebaData, folder: Path, split: str, faults: Faults) -> AnnotatedFiles:
    """Open one part of CelebA: an image has one annotated face, with five landmarks.

    Raises DataError where a list or an image is missing or a line cannot be read.
    """
    paths = {name: _find(folder, name) for name in (CELEBA_BOXES, CELEBA_POINTS, CELEBA_SPLITS)}
    if not all(path.is_file() for path in paths.values()):
        raise no_dataset(folder, address=data.address, layout=CELEBA_LAYOUT)
    boxes = _table(paths[CELEBA_BOXES], 4, faults)
    points = _table(paths[CELEBA_POINTS], POINTS, faults)
    listing = Listing()
    for image, (number,) in _table(paths[CELEBA_SPLITS], 1, faults).items():
        if f"{number:g}" != split:
            continue
        listing.add_image(stem_of(image), f"{data.images}/{image}")
        box, marks = boxes.get(image), points.get(image)
        if box is None or marks is None:
            listed = CELEBA_BOXES if box is None else CELEBA_POINTS
            faults.add(stem_of(image), "missing annotation", f"{image} is not in {listed}")
            continue
        x, y, width, height = box
        listing.add_object((x, y, x + width, y + height), data.classes[0], landmarks=marks)
    if not len(listing):
        raise DataError(f"no image of {paths[CELEBA_SPLITS]} is of partition {split!r}")
    return AnnotatedFiles(
        folder, listing, name=f"{folder.name}/{split}", classes=data.classes, faults=faults
    )


def open_face_list(data: FaceListData, folder: Path, split: str, faults: Faults) -> AnnotatedFiles:
    r"""Open a list of faces: `path left right top bottom x1 y1 ... x5 y5`, one a line.

    Or with AFLW's 19 points, 19 flags of visibility and the image's height and width after them.
    Lines of one image may stand apart; backslashes part folders too. Raises DataError where the
    list or an image is missing or a line cannot be read.
    """
    path = folder / split
    if not path.is_file():
        layout = f"{split}, and the images as it names them"
        raise no_dataset(folder, address=data.address, layout=layout)
    faces: dict[str, list[list[float]]] = {}
    for number, line in read_lines(path):
        image, *words = line.replace("\\", "/").split()
        row = numbers(words)
        if row is None or len(row) not in (4 + POINTS, 4 + 3 * AFLW_POINTS, 6 + 3 * AFLW_POINTS):
            text = f"{path}, line {number}: {line[:80]!r} is no face with 5 or 19 landmarks"
            faults.add(stem_of(image), "unreadable annotation", text)
            continue
        faces.setdefault(image, []).append(row)
    listing = Listing()
    for image, rows in faces.items():
        listing.add_image(stem_of(image), image, _size(rows[0]))
        for row in rows:
            left, right, top, bottom = row[:4]
            marks = _five_points(row[4:])
            listing.add_object((left, top, right, bottom), data.classes[0], landmarks=marks)
    if not len(listing):
        raise DataError(f"the list {path} is empty")
    name = f"{folder.name}/{stem_of(split)}"
    return AnnotatedFiles(folder, listing, name=name, classes=data.classes, faults=faults)


def _size(row: list[float]) -> tuple[int, int] | None:
    """Return (width, height) of the image where a face of AFLW ends with its height and width."""
    sides = row[4 + 3 * AFLW_POINTS :]
    if not sides or not all(map(math.isfinite, sides)):
        return None
    return int(sides[1]), int(sides[0])


def _find(folder: Path, name: str) -> Path:
    """Return a list of CelebA: the archive has it in a folder, other copies beside the images."""
    places = (folder / "Anno" / name, folder / "Eval" / name)
    return next((place for place in places if place.is_file()), folder / name)


def _table(path: Path, columns: int, faults: Faults) -> dict[str, list[float]]:
    """Return the numbers of each image; the lines before the first image are a heading."""
    table: dict[str, list[float]] = {}
    for number, line in read_lines(path):
        image, *words = line.split()
        row = numbers(words)
        if row is not None and len(row) == columns:
            table[image] = row
        elif table:
            text = f"{path}, line {number}: {line[:80]!r} is no image with {columns} numbers"
            faults.add(stem_of(image), "unreadable annotation", text)
    return table


def _five_points(row: list[float]) -> list[float]:
    """Return x, y of the five points, out of five or nineteen; NaN where one is not known."""
    if len(row) == POINTS:
        return row
    five: list[float] = []
    for place in FIVE_OF_AFLW:
        x, y, seen = row[2 * place], row[2 * place + 1], row[2 * AFLW_POINTS + place]
        five += [x, y] if seen or x > 0 or y > 0 else [math.nan, math.nan]
    return five
