"""Reader of a folder of images without annotations."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..errors import DataError
from ..runtime.images import list_images, read_image
from .hashes import sha256_of_files
from .record import Annotation, Dropped, Record


class ImageFolder:
    """The images of a folder by name, each without a truth; satisfies `Dataset`.

    Raises DataError where the folder is missing or holds no image.
    """

    def __init__(self, folder: Path, *, classes: tuple[str, ...], address: str = "") -> None:
        if not folder.is_dir():
            source = f"get it from {address}, " if address else ""
            raise DataError(
                f"no images at {folder}: {source}set HEXDET_DATA to the folder that holds it; "
                f"expected layout: {folder}/*.jpg"
            )
        self.name = folder.name
        self.classes = classes
        self.dropped: list[Dropped] = []
        self._paths = list_images(folder)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Record:
        path = self._paths[index]
        return Record(name=path.stem, image=read_image(path), annotation=Annotation.empty())

    def image_path(self, index: int) -> Path:
        """Return the image file of `index`."""
        return self._paths[index]

    def image_name(self, index: int) -> str:
        """Return the name of image `index`, as its record has it."""
        return self._paths[index].stem

    def annotation(self, index: int) -> Annotation:
        """Return the empty truth of image `index`."""
        return Annotation.empty()

    def fingerprint(self) -> str:
        """Return a sha256 over the names and contents of the image files."""
        digest = hashlib.sha256()
        for path, content in zip(self._paths, sha256_of_files(self._paths), strict=True):
            digest.update(f"{path.name} {content}".encode())
        return digest.hexdigest()
