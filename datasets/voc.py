"""Reader of datasets in PASCAL VOC layout: JPEGImages, Annotations/*.xml, ImageSets/Main/*.txt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from ..errors import DataError
from ..recipe.data import VocData
from ..runtime.images import IMAGE_SUFFIXES
from .annotated_files import AnnotatedFiles, no_dataset
from .faults import Faults
from .listing import Box, Listing

LAYOUT = "JPEGImages/*.jpg, Annotations/*.xml, ImageSets/Main/<split>.txt"
ALL = "all"
"""The split of every annotated image, where ImageSets has no list of that name."""


def open_voc(data: VocData, folder: Path, split: str, faults: Faults) -> AnnotatedFiles:
    """Open one split of a dataset in PASCAL VOC layout; `difficult` objects are marked ignore.

    The split `all` needs no list: it is every image that has an annotation.
    Raises DataError where the folder, the split, an annotation or an image file is missing.
    """
    if not (folder / "Annotations").is_dir():
        raise no_dataset(folder, address=data.address, layout=LAYOUT)
    listing = Listing()
    list_voc(folder, split, listing, faults)
    name = f"{folder.name}/{split}"
    return AnnotatedFiles(folder, listing, name=name, classes=data.classes, faults=faults)


def list_voc(
    folder: Path,
    split: str,
    listing: Listing,
    faults: Faults,
    *,
    within: str = "",
    rename: Callable[[str], str] = str,
) -> None:
    """Add the images of a split of a folder in VOC layout to a listing, with their objects.

    within: what comes before the folder's own paths in the listing. rename: gives the class of an
    object's name. Raises DataError as `open_voc` does.
    """
    images = _image_files(folder / "JPEGImages")
    for name in read_split(folder, split):
        relative = f"{within}JPEGImages/{images.get(name, f'{name}.jpg')}"
        path = folder / "Annotations" / f"{name}.xml"
        try:
            root = ElementTree.parse(path).getroot()
            size = (int(_text(root, "size/width")), int(_text(root, "size/height")))
            objects = [_object(item) for item in root.iter("object")]
        except FileNotFoundError:
            faults.add(name, "missing annotation", f"the annotation {path} is missing")
            listing.add_image(name, relative)
            continue
        except (ElementTree.ParseError, OSError, ValueError, LookupError) as error:
            faults.add(
                name, "unreadable annotation", f"the annotation {path} cannot be read: {error}"
            )
            listing.add_image(name, relative)
            continue
        listing.add_image(name, relative, size)
        for kind, box, difficult in objects:
            listing.add_object(box, rename(kind), ignore=difficult)


def read_split(folder: Path, split: str) -> list[str]:
    """Return the names of the images of a split; DataError where it is missing or empty."""
    path = folder / "ImageSets" / "Main" / f"{split}.txt"
    if split == ALL and not path.is_file():
        names = sorted(p.stem for p in (folder / "Annotations").glob("*.xml"))
        if not names:
            raise DataError(f"no annotation in {folder / 'Annotations'}")
        return names
    if not path.is_file():
        known = sorted({ALL, *(p.stem for p in path.parent.glob("*.txt"))})
        raise DataError(f"no split {split!r}: {path} is missing; known: {', '.join(known)}")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"the split {path} cannot be read: {error}") from error
    # Some VOC lists carry a second column, the presence of a class.
    names = [line.split()[0] for line in lines if line.strip()]
    if not names:
        raise DataError(f"the split {path} is empty")
    return names


def _image_files(folder: Path) -> dict[str, str]:
    """Return the file of every image by its name without suffix; the original has .jpg alone."""
    if not folder.is_dir():
        return {}
    files = sorted(path.name for path in folder.iterdir())
    return {Path(f).stem: f for f in files if Path(f).suffix.lower() in IMAGE_SUFFIXES}


def _object(item: ElementTree.Element) -> tuple[str, Box, bool]:
    """Return class name, box and whether an object is difficult."""
    x1, y1, x2, y2 = (
        float(_text(item, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    # VOC counts pixels from 1 and includes the last one: x1 - 1 .. x2 covers it exactly. Where
    # both corners are one pixel nothing was drawn, and the reading must not make it a box.
    degenerate = x2 <= x1 or y2 <= y1
    box = (x1, y1, x1, y1) if degenerate else (x1 - 1, y1 - 1, x2, y2)
    difficult = (item.findtext("difficult") or "0").strip() == "1"
    return _text(item, "name"), box, difficult


def _text(element: ElementTree.Element, path: str) -> str:
    found = element.findtext(path)
    if found is None or not found.strip():
        raise ValueError(f"<{path}> is missing")
    return found.strip()
