"""Reader of WIDER FACE: a text of image paths, counts and faces with flags."""

from __future__ import annotations

from pathlib import Path

from ..recipe.data import FaceFlag, WiderFaceData
from .annotated_files import AnnotatedFiles, no_dataset
from .faults import Faults
from .listing import Listing
from .texts import numbers, read_lines, stem_of

ORDER: tuple[FaceFlag, ...] = (
    "blur", "expression", "illumination", "invalid", "occlusion", "pose",
)  # fmt: skip
"""The numbers after x, y, width and height of a face."""
STRONGEST = {
    "blur": 2, "expression": 1, "illumination": 1, "invalid": 1, "occlusion": 2, "pose": 1,
}  # fmt: skip
"""Degrees reach from 0 to these."""


def open_widerface(data: WiderFaceData, folder: Path, split: str, faults: Faults) -> AnnotatedFiles:
    """Open one split of WIDER FACE; invalid faces, and those that the recipe adds, are ignore.

    Raises DataError where the text or an image is missing or a line cannot be read.
    """
    path = folder / "wider_face_split" / f"wider_face_{split}_bbx_gt.txt"
    images = f"WIDER_{split}/images"
    if not path.is_file():
        layout = f"wider_face_split/{path.name}, {images}/<event>/*.jpg"
        raise no_dataset(folder, address=data.address, layout=layout)
    listing = Listing()
    lines = list(read_lines(path))
    place = 0
    while place < len(lines):
        number, image = lines[place]
        end = place + 1
        while end < len(lines) and not _is_image(lines[end][1]):
            end += 1
        if _is_image(image):
            listing.add_image(stem_of(image), f"{images}/{image}")
            _add_faces(listing, lines[place + 1 : end], data, f"{path}, line {number}", faults)
        else:
            text = f"{path}, line {number}: {image[:80]!r} is no path of an image"
            faults.add(f"line {number}", "unreadable annotation", text)
        place = end
    return AnnotatedFiles(
        folder,
        listing,
        name=f"{folder.name}/{split}",
        classes=data.classes,
        faults=faults,
    )


def _is_image(line: str) -> bool:
    return line.lower().endswith((".jpg", ".jpeg", ".png"))


def _add_faces(
    listing: Listing,
    lines: list[tuple[int, str]],
    data: WiderFaceData,
    where: str,
    faults: Faults,
) -> None:
    """Add the faces of the last image; lines: their number, then one a face."""
    name = listing.names[-1]
    said = lines[0][1] if lines else ""
    rows = [numbers(text.split()) for _, text in lines[1:]]
    # An image without faces has a line of zeros all the same.
    if said == "0" and not any(any(row or [1.0]) for row in rows):
        return
    if said != str(len(rows)):
        text = f"{where}: {said!r} faces are announced, {len(rows)} follow"
        faults.add(name, "unreadable annotation", text)
    for row, (number, line) in zip(rows, lines[1:], strict=True):
        if row is None or len(row) != 4 + len(ORDER):
            text = f"{where}: line {number}, {line[:80]!r}, is no face of 10 numbers"
            faults.add(name, "unreadable annotation", text)
            continue
        x, y, width, height, *degrees = row
        flags = dict(zip(ORDER, degrees, strict=True))
        ignore = any(flags[flag] >= STRONGEST[flag] for flag in data.ignore)
        ignore = ignore or min(width, height) < data.min_side_px
        listing.add_object((x, y, x + width, y + height), data.classes[0], ignore=ignore)
