"""Reader of annotations in COCO's JSON: images, annotations and categories joined by ids."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ..errors import DataError
from ..recipe.data import CocoData
from .annotated_files import AnnotatedFiles, no_dataset
from .faults import Faults
from .listing import Listing
from .texts import filled, stem_of


class CocoImage(msgspec.Struct, gc=False):
    """An entry of `images`; width and height may be missing, then the file's header tells them."""

    id: int
    file_name: str
    width: int = 0
    height: int = 0


class CocoAnnotation(msgspec.Struct, gc=False):
    """An entry of `annotations`; bbox: (x, y, width, height) in pixels.

    The segmentation, whose run lengths or polygons are most of the file, is passed over unread.
    """

    image_id: int
    category_id: int
    bbox: list[float] = []
    area: float | None = None
    iscrowd: int = 0
    ignore: int = 0


class CocoCategory(msgspec.Struct):
    """An entry of `categories`."""

    id: int
    name: str


class CocoFile(msgspec.Struct):
    """What is read of the file."""

    images: list[CocoImage]
    categories: list[CocoCategory]
    annotations: list[CocoAnnotation] = []


def open_coco(data: CocoData, folder: Path, split: str, faults: Faults) -> AnnotatedFiles:
    """Open one split of a dataset with COCO annotations; crowds are marked ignore.

    Raises DataError where the file is missing or no such JSON, or an image is missing.
    """
    path = folder / filled(data.annotations, split)
    if not path.is_file():
        layout = f"{filled(data.annotations, split)}, {filled(data.images, split)}/*.jpg"
        raise no_dataset(folder, address=data.address, layout=layout)
    content = _decode(path)
    listing = Listing()
    for category in content.categories:
        listing.classes.setdefault(category.name, len(listing.classes))
    _fill(listing, content, path, filled(data.images, split), faults)
    return AnnotatedFiles(
        folder,
        listing,
        name=f"{folder.name}/{split}",
        classes=data.classes,
        declared=True,
        faults=faults,
    )


def _decode(path: Path) -> CocoFile:
    try:
        with (
            path.open("rb") as stream,
            mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return msgspec.json.decode(content, type=CocoFile, strict=False)
    except (OSError, ValueError, msgspec.MsgspecError) as error:  # ValueError: an empty file
        raise DataError(f"the annotations {path} are not COCO's JSON: {error}") from error


def _fill(listing: Listing, content: CocoFile, path: Path, images: str, faults: Faults) -> None:
    """Add images in the file's order, to each its annotations in theirs."""
    places = {image.id: place for place, image in enumerate(content.images)}
    if len(places) < len(content.images):
        twice = sorted(image.id for image in content.images)
        shown = next(a for a, b in itertools.pairwise(twice) if a == b)
        faults.add(str(shown), "unreadable annotation", f"{path}: two images have the id {shown}")
    names = {category.id: category.name for category in content.categories}
    grouped: list[list[int]] = [[] for _ in content.images]
    for number, annotation in enumerate(content.annotations):
        place = places.get(annotation.image_id)
        if place is None:
            text = f"{path}: annotations[{number}] is of image {annotation.image_id}, not listed"
            faults.add(str(annotation.image_id), "unreadable annotation", text)
            continue
        grouped[place].append(number)
    for image, members in zip(content.images, grouped, strict=True):
        listing.add_image(
            stem_of(image.file_name), f"{images}/{image.file_name}", (image.width, image.height)
        )
        for number in members:
            _add(
                listing,
                content.annotations[number],
                names,
                f"{path}: annotations[{number}]",
                faults,
            )


def _add(
    listing: Listing,
    annotation: CocoAnnotation,
    names: dict[int, str],
    where: str,
    faults: Faults,
) -> None:
    image = listing.names[-1]
    name = names.get(annotation.category_id)
    if name is None:
        text = f"{where} is of category {annotation.category_id}, not listed"
        faults.add(image, "unreadable annotation", text)
        return
    box: Sequence[float] = annotation.bbox
    if len(box) != 4:
        faults.add(image, "unreadable annotation", f"{where}: bbox has {len(box)} numbers, not 4")
        return
    x, y, width, height = box
    ignore = bool(annotation.iscrowd or annotation.ignore)
    area = annotation.area
    listing.add_object((x, y, x + width, y + height), name, ignore=ignore, area=area)
