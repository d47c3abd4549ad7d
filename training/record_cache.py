"""Decoded images that stay in memory for the next epoch, shared by the workers that load them."""

from __future__ import annotations

import json
import math
import mmap
import multiprocessing
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from ..datasets.record import Annotation, Dataset, Record
from ..errors import RecipeError

ALIGNMENT = 64
"""Arrays begin at multiples of so many bytes: a cache line."""


class RecordCache:
    """A dataset's records in at most so many bytes, filled once and never emptied.

    An epoch asks for every image once, in a new order each time: whatever was thrown out for
    another image would be as likely to be wanted next, so that nothing is. What is returned is
    what was read the first time, to the bit; its image is read-only.

    The memory is anonymous and shared with all processes that are forked afterwards: no limit of
    /dev/shm concerns it, and pages that are never filled are never taken.
    """

    def __init__(self, dataset: Dataset, capacity_bytes: int) -> None:
        """Reserve the memory; raises RecipeError where the system refuses so much."""
        self._dataset = dataset
        try:
            self._arena = mmap.mmap(-1, capacity_bytes) if capacity_bytes else None
        except (OSError, OverflowError, ValueError) as error:
            raise RecipeError(
                f"training.cache_mib: {capacity_bytes / 2**20:.0f} MiB are refused: {error}"
            ) from error
        self._capacity = capacity_bytes
        # [images, 2]: where the record begins, and the length of its description; 0 for none.
        self._places = _shared_integers(2 * len(dataset)).reshape(-1, 2)
        self._used = _shared_integers(1)
        self._lock = multiprocessing.get_context("fork").Lock()

    def __len__(self) -> int:
        """Return the number of images of the dataset."""
        return len(self._dataset)

    @property
    def used_bytes(self) -> int:
        """Return how much of the memory is filled."""
        return int(self._used[0])

    def read(self, index: int) -> tuple[Record, bool]:
        """Return a record, and whether it was there; raises as the dataset does."""
        if self._arena is None:
            return self._dataset[index], False
        with self._lock:
            start, length = self._places[index].tolist()
        if length:
            return self._unpack(start, length), True
        record = self._dataset[index]
        self._keep(index, record)
        return record, False

    def _keep(self, index: int, record: Record) -> None:
        assert self._arena is not None
        parts = _arrays(record)
        description, offsets, size = _describe(record.name, parts)
        with self._lock:
            start = int(self._used[0])
            if start + size > self._capacity:
                return
            self._used[0] = start + size
        self._arena[start : start + len(description)] = description
        for offset, part in zip(offsets, parts.values(), strict=True):
            place = np.frombuffer(self._arena, np.uint8, part.nbytes, start + offset)
            place[:] = part.reshape(-1).view(np.uint8)
        # Last, and behind the lock: who sees the place sees what is there.
        with self._lock:
            self._places[index] = start, len(description)

    def _unpack(self, start: int, length: int) -> Record:
        assert self._arena is not None
        name, *columns = json.loads(self._arena[start : start + length])
        found = {}
        for key, kind, shape, offset in columns:
            flat = np.frombuffer(self._arena, kind, math.prod(shape), start + offset)
            flat.flags.writeable = False
            found[key] = flat.reshape(shape)
        image = found.pop("image")
        return Record(name=name, image=image, annotation=Annotation(**found))


def _shared_integers(count: int) -> npt.NDArray[np.int64]:
    """Return zeros, int64 [count], that processes forked afterwards share."""
    return np.frombuffer(mmap.mmap(-1, max(count, 1) * 8), np.int64, count)


def _arrays(record: Record) -> dict[str, npt.NDArray[np.generic]]:
    """Return the arrays of a record by name; what an annotation has not is left out."""
    found = {"image": record.image}
    for field in fields(Annotation):
        value = getattr(record.annotation, field.name)
        if value is not None:
            found[field.name] = value
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def _describe(name: str, parts: dict[str, npt.NDArray[np.generic]]) -> tuple[bytes, list[int], int]:
    """Return what tells the arrays apart, where each begins behind it, and the size of all."""
    longest = len(_encode(name, parts, [2**62] * len(parts)))
    offsets, end = [], longest
    for part in parts.values():
        begin = -(-end // ALIGNMENT) * ALIGNMENT
        offsets.append(begin)
        end = begin + part.nbytes
    return _encode(name, parts, offsets), offsets, -(-end // ALIGNMENT) * ALIGNMENT


def _encode(name: str, parts: dict[str, npt.NDArray[np.generic]], offsets: list[int]) -> bytes:
    rows = [
        [key, part.dtype.str, part.shape, offset]
        for (key, part), offset in zip(parts.items(), offsets, strict=True)
    ]
    return json.dumps([name, *rows]).encode()
