"""Reader of datasets in PASCAL VOC layout: JPEGImages, Annotations/*.xml, ImageSets/Main/*.txt."""

from __future__ import annotations

import hashlib
from pathlib import Path
from xml.etree import ElementTree

from ..errors import DataError
from ..runtime.images import read_image
from .record import Annotation, AnnotationBuilder, Dropped, Record

LAYOUT = "JPEGImages/*.jpg, Annotations/*.xml, ImageSets/Main/<split>.txt"
ALL = "all"
"""The split of every annotated image, where ImageSets has no list of that name."""


class VocDataset:
    """One split of a dataset in PASCAL VOC layout; `difficult` objects are marked ignore.

    The split `all` needs no list: it is every image that has an annotation.
    Annotations are read when the dataset is opened, images one at a time.
    Raises DataError where the folder, the split, an annotation or an image file is missing.
    """

    def __init__(
        self, folder: Path, *, split: str, classes: tuple[str, ...], address: str = ""
    ) -> None:
        self.name = f"{folder.name}/{split}"
        self.classes = classes
        self.dropped: list[Dropped] = []
        self._folder = folder
        if not (folder / "Annotations").is_dir():
            source = f"get it from {address}, " if address else ""
            raise DataError(
                f"no dataset at {folder}: {source}set HEXDET_DATA to the folder that holds it; "
                f"expected layout: {folder}/{{{LAYOUT}}}"
            )
        self._names = self._read_split(split)
        self._sizes: list[tuple[int, int]] = []
        self._annotations = [self._read_annotation(name) for name in self._names]

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Record:
        name = self._names[index]
        return Record(
            name=name,
            image=read_image(self.image_path(index)),
            annotation=self._annotations[index],
        )

    def annotation(self, index: int) -> Annotation:
        """Return the truth of image `index`."""
        return self._annotations[index]

    def image_path(self, index: int) -> Path:
        """Return the image file of `index`."""
        return self._folder / "JPEGImages" / f"{self._names[index]}.jpg"

    def fingerprint(self) -> str:
        """Return a sha256 over the names, the truth and the sizes of the image files."""
        digest = hashlib.sha256()
        for index, name in enumerate(self._names):
            truth = self._annotations[index]
            digest.update(f"{name} {self.image_path(index).stat().st_size}".encode())
            for part in (truth.boxes, truth.labels, truth.ignore):
                digest.update(part.tobytes())
        return digest.hexdigest()

    def _read_split(self, split: str) -> list[str]:
        path = self._folder / "ImageSets" / "Main" / f"{split}.txt"
        if split == ALL and not path.is_file():
            names = sorted(p.stem for p in (self._folder / "Annotations").glob("*.xml"))
            if not names:
                raise DataError(f"no annotation in {self._folder / 'Annotations'}")
            return names
        if not path.is_file():
            known = sorted({ALL, *(p.stem for p in path.parent.glob("*.txt"))})
            raise DataError(f"no split {split!r}: {path} is missing; known: {', '.join(known)}")
        # Some VOC lists carry a second column, the presence of a class.
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise DataError(f"the split {path} cannot be read: {error}") from error
        names = [line.split()[0] for line in lines if line.strip()]
        if not names:
            raise DataError(f"the split {path} is empty")
        return names

    def _read_annotation(self, name: str) -> Annotation:
        path = self._folder / "Annotations" / f"{name}.xml"
        image = self._folder / "JPEGImages" / f"{name}.jpg"
        if not image.is_file():
            raise DataError(f"{self.name} names {name}, but the image {image} is missing")
        try:
            root = ElementTree.parse(path).getroot()
            size = (int(_text(root, "size/width")), int(_text(root, "size/height")))
            builder = AnnotationBuilder(
                image=name, width=size[0], height=size[1], dropped=self.dropped
            )
            for item in root.iter("object"):
                self._add(builder, item)
        except FileNotFoundError as error:
            raise DataError(f"the annotation {path} is missing") from error
        except (ElementTree.ParseError, OSError, ValueError, LookupError) as error:
            raise DataError(f"the annotation {path} cannot be read: {error}") from error
        return builder.build()

    def _add(self, builder: AnnotationBuilder, item: ElementTree.Element) -> None:
        name = _text(item, "name")
        x1, y1, x2, y2 = (
            float(_text(item, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")
        )
        # VOC counts pixels from 1 and includes the last one: x1 - 1 .. x2 covers it exactly. Where
        # both corners are one pixel nothing was drawn, and the reading must not make it a box.
        degenerate = x2 <= x1 or y2 <= y1
        box = (x1, y1, x1, y1) if degenerate else (x1 - 1, y1 - 1, x2, y2)
        label = self.classes.index(name) + 1 if name in self.classes else None
        difficult = (item.findtext("difficult") or "0").strip() == "1"
        builder.add(box, label, ignore=difficult, detail=name)


def _text(element: ElementTree.Element, path: str) -> str:
    found = element.findtext(path)
    if found is None or not found.strip():
        raise ValueError(f"<{path}> is missing")
    return found.strip()
