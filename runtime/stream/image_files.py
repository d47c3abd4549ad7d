"""Image files as a source: one, those of a folder, those that a pattern matches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...errors import DataError
from ..images import read_image
from .frames import Frame, Remark, Source, log_remark


class ImageFiles(Source):
    """Images by name; a damaged one among others is named in a remark and left out."""

    def __init__(self, paths: Sequence[Path], name: str, *, remark: Remark = log_remark) -> None:
        self.name = name
        self.paths = tuple(paths)
        self.count = len(paths)
        self.skipped = 0
        self._remark = remark

    def __iter__(self) -> Iterator[Frame]:
        """Yield the images; DataError for one that stands alone, or where none is readable."""
        for index, path in enumerate(self.paths):
            if self._stopped:
                return
            try:
                image = read_image(path)
            except DataError as error:
                if len(self.paths) == 1:
                    raise
                self.skipped += 1
                self._remark(f"{error}; skipped")
                continue
            yield Frame(index=index, seconds=0.0, image=image, name=str(path))
        if self.skipped == len(self.paths):
            raise DataError(f"none of the {self.count} images in {self.name} is readable")
