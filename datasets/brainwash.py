"""Reader of Brainwash: idl files, one line an image."""

from __future__ import annotations

import re
from pathlib import Path

from ..recipe.data import BrainwashData
from .annotated_files import AnnotatedFiles, no_dataset
from .faults import Faults
from .listing import Listing
from .texts import filled, read_lines, stem_of

NUMBER = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
BOX = re.compile(rf"\(\s*({NUMBER})\s*,\s*({NUMBER})\s*,\s*({NUMBER})\s*,\s*({NUMBER})\s*\)")
EXTRA = r"(?:[:/~][-+.\d]+)*"  # a score or an identity, in idl files of the same family
BOXES = rf"{BOX.pattern}{EXTRA}(?:\s*,\s*{BOX.pattern}{EXTRA})*\s*,?"
LINE = re.compile(rf'"([^"]+)"\s*(?::\s*({BOXES})?)?\s*[;.]?\s*')
"""`"path": (x1, y1, x2, y2), (...);`, without colon and boxes where nobody is there."""


def open_brainwash(data: BrainwashData, folder: Path, split: str, faults: Faults) -> AnnotatedFiles:
    """Open one split of Brainwash.

    Raises DataError where the idl file or an image is missing, or a line cannot be read.
    """
    path = folder / filled(data.annotations, split)
    if not path.is_file():
        layout = f"{filled(data.annotations, split)}, brainwash_*_images/*.png"
        raise no_dataset(folder, address=data.address, layout=layout)
    listing = Listing()
    for number, line in read_lines(path):
        match = LINE.fullmatch(line)
        if match is None:
            text = f'{path}, line {number} is not `"path": (x1, y1, x2, y2), ...;`: {line[:80]!r}'
            faults.add(f"line {number}", "unreadable annotation", text)
            continue
        image = match[1]
        listing.add_image(stem_of(image), image)
        for found in BOX.finditer(match[2] or ""):
            x1, y1, x2, y2 = (float(found[group]) for group in range(1, 5))
            # Opposite corners, whichever was clicked first.
            box = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            listing.add_object(box, data.classes[0])
    return AnnotatedFiles(
        folder,
        listing,
        name=f"{folder.name}/{split}",
        classes=data.classes,
        faults=faults,
    )
