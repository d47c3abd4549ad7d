"""The calibration images as the integer graph reads them: on disk, one at a time in memory."""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
from collections.abc import Callable, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from ..datasets.record import Dataset
from ..errors import DataError
from ..runtime.contract import InputSpec
from ..runtime.images import to_pixels

Pixels = npt.NDArray[np.uint8]


class CalibrationImages(Sequence[Pixels]):
    """A sequence of images, uint8 [1, h, w, 3] each, preprocessed exactly as at run time.

    Rendering or decoding an image is slow and calibration may want it more than once: the pixels
    lie in a temporary file without a name, which goes when this does. Any number of threads may
    read. dataset: its name; names: one an image; sha256: of its pixels.
    """

    def __init__(self, dataset: str, spec: InputSpec) -> None:
        """Make an empty set; DataError where the folder for temporary files cannot be written."""
        self.dataset = dataset
        self.names: list[str] = []
        self.sha256: list[str] = []
        self._shape = (1, spec.height, spec.width, 3)
        self._size = spec.height * spec.width * 3
        try:
            handle, path = tempfile.mkstemp(prefix="hexdet-calibration-")
            os.unlink(path)  # noqa: PTH108  # the open file lives on until it is closed
        except OSError as error:
            raise _no_room(error) from error
        self._handle = handle
        weakref.finalize(self, os.close, handle)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> Pixels: ...

    @overload
    def __getitem__(self, index: slice) -> list[Pixels]: ...

    def __getitem__(self, index: int | slice) -> Pixels | list[Pixels]:
        """Read image `index`, an array of its own; IndexError past the end."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        data = os.pread(self._handle, self._size, place * self._size)
        return np.frombuffer(data, np.uint8).reshape(self._shape)

    def add(self, name: str, pixels: Pixels) -> None:
        """Append an image, uint8 [1, h, w, 3]; DataError where the disk is full."""
        if pixels.shape != self._shape or pixels.dtype != np.uint8:
            raise ValueError(f"{name} is {pixels.dtype} {pixels.shape}, not uint8 {self._shape}")
        data = pixels.tobytes()
        try:
            written = os.pwrite(self._handle, data, len(self) * self._size)
        except OSError as error:
            raise _no_room(error) from error
        if written != len(data):
            raise _no_room(OSError(0, "the disk is full"))
        self.names.append(name)
        self.sha256.append(digest_of(pixels))


def digest_of(pixels: Pixels) -> str:
    """Return the sha256 of what the network reads of an image, uint8 [1, h, w, 3]."""
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def read_calibration_set(
    dataset: Dataset,
    indices: Sequence[int],
    spec: InputSpec,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> CalibrationImages:
    """Read the chosen images of a dataset, in the order of the indices.

    Raises DataError where there are none, or one cannot be read.
    """
    if not indices:
        raise DataError(f"no calibration image was chosen from {dataset.name}")
    images = CalibrationImages(dataset.name, spec)
    for done, index in enumerate(indices, 1):
        record = dataset[index]
        images.add(record.name, to_pixels(record.image, spec))
        progress(done, len(indices))
    return images


def _no_room(error: OSError) -> DataError:
    return DataError(
        f"cannot keep the calibration images in {tempfile.gettempdir()}: {error.strerror}; "
        f"make room there or set TMPDIR"
    )
