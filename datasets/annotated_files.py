"""A dataset whose images are files and whose truth was listed when it was opened."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..runtime.images import read_image
from ..runtime.orientation import read_shown_size
from .class_names import labels_of, plain
from .faults import Faults
from .hashes import sha256_of_files
from .listing import Listing
from .record import Annotation, AnnotationBuilder, Dropped, Record

Size = tuple[int, int]
Built = tuple[Size, Annotation, list[Dropped]]


class ImageSizeError(DataError):
    """An image has another size than its annotation was made for: its boxes are of no use."""


class AnnotatedFiles:
    """One split of a dataset of files; satisfies `Dataset`.

    One policy for all formats: a missing dataset, split, annotation or image is refused when the
    dataset is opened, and so is an annotation that cannot be read. An image that is unreadable or
    truncated, has vanished since, or is not of the size that its annotation was made for is a
    DataError, naming the file, of `[index]`. Where the annotation does not state the image's size
    it is read from the file's header when the truth is first asked for.
    """

    def __init__(
        self,
        folder: Path,
        listing: Listing,
        *,
        name: str,
        classes: Sequence[str],
        declared: bool = False,
        shares: bool = False,
        faults: Faults | None = None,
    ) -> None:
        """Check what was listed against the recipe and the disk; DataError as described.

        folder: what relative paths start from. declared: the dataset has a list of its classes,
        which `listing.classes` holds. shares: coordinates are shares of the image's sides.
        """
        faults = faults or Faults()
        self.name = name
        self.classes = tuple(classes)
        self._folder = folder
        self._listing = listing
        self._shares = shares
        self._built: dict[int, Built] = {}
        self._all_dropped: list[Dropped] | None = None
        if not listing.names:
            raise DataError(f"{name} is empty: no image is listed")
        self._labels = labels_of(
            self.classes,
            listing.classes,
            declared=declared,
            objects=listing.counts(),
            dataset=name,
            faults=faults,
        )
        by_index = {index: self._labels.get(key) for key, index in listing.classes.items()}
        self._label_of = [by_index[index] for index in range(len(by_index))]
        faults.add_missing_images(name, self._missing_images(), len(listing))

    def __len__(self) -> int:
        return len(self._listing)

    def __getitem__(self, index: int) -> Record:
        path = self.image_path(index)
        image = read_image(path)
        size = (image.shape[1], image.shape[0])
        stated = self._listing.size(index)
        if stated is not None and stated != size:
            turned = ", as it lies without its EXIF orientation" if stated == size[::-1] else ""
            raise ImageSizeError(
                f"the image {path} has {size[0]} x {size[1]} pixels, but its annotation was made "
                f"for {stated[0]} x {stated[1]}{turned}: annotate it anew or restore the image"
            )
        name = self._listing.names[index]
        return Record(name=name, image=image, annotation=self._truth(index, size)[1])

    @property
    def dropped(self) -> list[Dropped]:
        """What was left out, in the order of the images; classes that the recipe leaves out last.

        Reads the header of every image whose size is not known yet; those that cannot be read
        are passed over here.
        """
        if self._all_dropped is None:
            self._all_dropped = self.dropped_among(len(self))
        return self._all_dropped

    def dropped_among(self, count: int) -> list[Dropped]:
        """Return what was left out of the first `count` images, and the classes left out of all."""
        found: list[Dropped] = []
        for index in range(count):
            with contextlib.suppress(DataError):
                found += self._truth(index, self.image_size(index))[2]
        return found + self._left_out_classes()

    def annotation(self, index: int) -> Annotation:
        """Return the truth of image `index`; DataError where its size cannot be read."""
        return self._truth(index, self.image_size(index))[1]

    def image_size(self, index: int) -> Size:
        """Return (width, height) of image `index` in pixels, of its annotation or its header.

        Raises DataError where neither tells it.
        """
        built = self._built.get(index)
        if built is not None:
            return built[0]
        return self._listing.size(index) or read_shown_size(self.image_path(index))

    def image_path(self, index: int) -> Path:
        """Return the image file of `index`."""
        return self._folder / self._listing.paths[index]

    def image_name(self, index: int) -> str:
        """Return the name of image `index`, as its record has it."""
        return self._listing.names[index]

    def fingerprint(self) -> str:
        """Return a sha256 over the names, the truth and the contents of the image files."""
        digest = hashlib.sha256()
        paths = [self.image_path(index) for index in range(len(self))]
        for index, content in enumerate(sha256_of_files(paths)):
            digest.update(f"{self._listing.names[index]} {content}\n".encode())
            objects = self._listing.objects(index)
            labels = [self._label_of[code] or 0 for code in objects.classes.tolist()]
            digest.update(np.asarray(self._listing.size(index) or (0, 0), np.int64).tobytes())
            for part in (objects.boxes, np.asarray(labels, np.int64), objects.ignore):
                digest.update(part.tobytes())
            for more in (objects.landmarks, objects.areas):
                if more is not None:
                    digest.update(more.tobytes())
        return digest.hexdigest()

    def _truth(self, index: int, size: Size) -> Built:
        built = self._built.get(index)
        if built is not None and built[0] == size:
            return built
        made = self._build(index, size)
        kept = self._built.setdefault(index, made)  # atomic: every thread gets the same object
        if kept[0] != size:
            self._built[index] = kept = made
        return kept

    def _build(self, index: int, size: Size) -> Built:
        name = self._listing.names[index]
        objects = self._listing.objects(index)
        dropped: list[Dropped] = []
        builder = AnnotationBuilder(image=name, width=size[0], height=size[1], dropped=dropped)
        keys = list(self._listing.classes)
        boxes, points = objects.boxes, objects.landmarks
        if self._shares:
            boxes = boxes * (*size, *size)
            points = None if points is None else points * np.asarray(size, np.float32)
        for place, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
            code = int(objects.classes[place])
            label = self._label_of[code]
            if label is not None:
                builder.add(
                    (x1, y1, x2, y2),
                    label,
                    ignore=bool(objects.ignore[place]),
                    detail=keys[code],
                    landmarks=None if points is None else points[place],
                    area=math.nan if objects.areas is None else float(objects.areas[place]),
                )
        return size, builder.build(), dropped

    def _left_out_classes(self) -> list[Dropped]:
        """List each class that the recipe does not name: their objects may be many thousands."""
        left_out = []
        for name, count in self._listing.counts().items():
            if name in self._labels or not count:
                continue
            images = self._listing.images_of(name)
            alike = [other for other in self.classes if plain(other) == plain(name)]
            first = self._listing.names[int(images[0])]
            hint = f"; not the recipe's {alike[0]!r}" if alike else ""
            detail = f"{name} ({count} objects in {len(images)} images, first in {first}{hint})"
            left_out.append(Dropped(image=first, reason="unknown class", detail=detail))
        return left_out

    def _missing_images(self) -> list[tuple[str, str]]:
        """Return name and path of each image that is not there; one look into every folder."""
        there: dict[str, set[str]] = {}
        missing = []
        for index, relative in enumerate(self._listing.paths):
            path = os.path.join(self._folder, relative)  # noqa: PTH118  # ten times a Path's speed
            parent, file = os.path.split(path)
            if parent not in there:
                try:
                    there[parent] = {entry.name for entry in os.scandir(parent)}
                except OSError:
                    there[parent] = set()
            if file not in there[parent]:
                missing.append((self._listing.names[index], path))
        return missing


def no_dataset(folder: Path, *, address: str, layout: str) -> DataError:
    """Return the error of a dataset that is not there: where it can be had, how it must lie."""
    source = f"get it from {address}, " if address else ""
    return DataError(
        f"no dataset at {folder}: {source}set HEXDET_DATA to the folder that holds it; "
        f"expected layout: {folder}/{{{layout}}}"
    )
