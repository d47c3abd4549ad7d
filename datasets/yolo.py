"""Reader of YOLO's layout: a text of shares an image, `images` and `labels` side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ..errors import DataError
from ..recipe.data import YoloData
from ..runtime.images import IMAGE_SUFFIXES
from .annotated_files import AnnotatedFiles, no_dataset
from .faults import Faults
from .listing import Box, Listing
from .texts import numbers, read_lines

LAYOUT = "data.yaml, images/<split>/*.jpg, labels/<split>/*.txt"
LARGEST_SHARE = 1.01
"""A little over 1 is rounding; more, and the numbers are pixels."""


def open_yolo(data: YoloData, folder: Path, split: str, faults: Faults) -> AnnotatedFiles:
    """Open one split of a dataset in YOLO's layout; an image without a text has no objects.

    A line is a class and the box's centre and size, or a polygon whose extent is the box; all in
    shares of the image's sides. Raises DataError where the class list, the split or the labels
    are missing, or a line cannot be read.
    """
    listed = folder / data.names
    if not listed.is_file():
        raise no_dataset(folder, address=data.address, layout=LAYOUT)
    content = _read_yaml(listed) if listed.suffix in (".yaml", ".yml") else {}
    names = _class_names(content, listed)
    root = folder / str(content.get("path") or "")
    images = _images(content.get(split) or split, root if root.is_dir() else folder, listed)
    listing = Listing()
    for name in names.values():
        listing.classes.setdefault(name, len(listing.classes))
    labelled = 0
    for image in images:
        listing.add_image(_name(image, folder), str(image))
        label = _label_file(image)
        if label.is_file():
            labelled += 1
            _add_objects(listing, label, names, bool(content.get("kpt_shape")), faults)
    if not labelled:
        faults.add(
            "",
            "missing annotation",
            f"none of the {len(images)} images of {split} in {folder} has a label: the first was "
            f"looked for at {_label_file(images[0])}",
        )
    return AnnotatedFiles(
        Path(),
        listing,
        name=f"{folder.name}/{Path(split).stem}",
        classes=data.classes,
        declared=True,
        shares=True,
        faults=faults,
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise DataError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold keys such as names, train and val")
    return content


def _class_names(content: dict[str, Any], path: Path) -> dict[int, str]:
    """Return the name of each class number: of a list, of a mapping, or one a line of a text."""
    found: Any = content.get("names") if content else [line for _, line in read_lines(path)]
    if isinstance(found, list):
        found = dict(enumerate(found))
    if not isinstance(found, dict) or not found or not all(isinstance(key, int) for key in found):
        raise DataError(f"{path} names no classes: it needs a list, or numbers with names")
    return {number: str(name) for number, name in found.items()}


def _images(entries: Any, root: Path, source: Path) -> list[Path]:
    """Return the images of a split: of folders, below them too, and of lists, in their order."""
    images: list[Path] = []
    for entry in entries if isinstance(entries, list) else [entries]:
        place = root / str(entry)
        if not place.exists() and str(entry).startswith("../"):
            place = root / str(entry).removeprefix("../")  # as Roboflow exports them
        if place.is_dir():
            found = sorted(p for p in place.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
            images += found
        elif place.is_file():
            images += [_listed(line, root, place.parent) for _, line in read_lines(place)]
        else:
            raise DataError(
                f"no split {entry!r}: {place} is missing; name a key of {source}, a folder of "
                f"images or a list of them"
            )
    if not images:
        raise DataError(f"the split {entries!r} of {source.parent} is empty: it has no image")
    return images


def _listed(line: str, root: Path, beside: Path) -> Path:
    """Return the image of a line: relative to the dataset, or with ./ to the list itself."""
    return beside / line if line.startswith("./") else root / line


def _label_file(image: Path) -> Path:
    """Return where the text of an image lies: in `labels` for the last `images` of its path."""
    parts = list(image.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _name(image: Path, folder: Path) -> str:
    try:
        image = image.relative_to(folder)
    except ValueError:
        return image.stem
    return image.with_suffix("").as_posix()


def _add_objects(
    listing: Listing, label: Path, names: dict[int, str], pose: bool, faults: Faults
) -> None:
    for number, line in read_lines(label):
        row = numbers(line.split())
        reason = ""
        if row is None or len(row) < 5:
            reason = "is no class with a box"
        elif row[0] not in names:
            reason = f"is of class {row[0]:g}, which has no name"
        elif not pose and (len(row) == 6 or len(row) % 2 == 0):
            reason = f"has {len(row)} numbers: neither a box nor a polygon"
        elif max(row[1:5]) > LARGEST_SHARE or min(row[1:5]) < 0:
            reason = "is not in shares of the image's sides, 0 to 1"
        if row is None or reason:
            text = f"{label}, line {number}: {line[:80]!r} {reason}"
            faults.add(listing.names[-1], "unreadable annotation", text)
            continue
        listing.add_object(_box(row[1:5] if pose else row[1:]), names[int(row[0])])


def _box(row: list[float]) -> Box:
    """Return the corners of a box (cx, cy, w, h), or the extent of a polygon (x, y, x, y ...)."""
    if len(row) > 4:
        return min(row[0::2]), min(row[1::2]), max(row[0::2]), max(row[1::2])
    cx, cy, width, height = row
    return cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2
