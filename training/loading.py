"""From records to training batches: augmented, matched, the same for any worker count."""

from __future__ import annotations

import ctypes
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate
from torch.utils.data import Dataset as TorchDataset

from ..datasets.partial import partial_rule
from ..datasets.record import Dataset, Record
from ..errors import DataError, RecipeError
from ..recipe import TrainingSection
from ..runtime.anchors import all_anchors
from ..runtime.contract import DetectorContract
from ..runtime.images import to_pixels
from .augmentation import augment
from .matching import match
from .record_cache import RecordCache

MAX_UNREADABLE = 10
"""Images in a row that may be unreadable: after more it is no longer the images, but the disk."""

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal that a process gets when its parent dies."""

Key = tuple[int, int]
"""Epoch and index of a sample: all that it depends on."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How samples came about: what could not be read, and where the time went, in seconds."""

    unreadable: tuple[str, ...] = ()
    """Why an image could not be read and another took its place, one sentence an image."""
    images: int = 0
    cached: int = 0
    """Images that were in memory already."""
    read_s: float = 0.0
    augment_s: float = 0.0
    match_s: float = 0.0

    def __add__(self, other: Reading) -> Reading:
        """Return what both say together."""
        return Reading(
            unreadable=self.unreadable + other.unreadable,
            images=self.images + other.images,
            cached=self.cached + other.cached,
            read_s=self.read_s + other.read_s,
            augment_s=self.augment_s + other.augment_s,
            match_s=self.match_s + other.match_s,
        )


class Sample(NamedTuple):
    """One image as the network and the losses see it."""

    pixels: npt.NDArray[np.uint8]
    """[h, w, 3] in the network's colours."""
    labels: npt.NDArray[np.int64]
    """[anchors], see `Targets`."""
    deltas: npt.NDArray[np.float32]
    """[anchors, 4], or [anchors, 14] with landmarks, see `Targets`."""
    reading: Reading


class Batch(NamedTuple):
    """Samples, stacked."""

    pixels: Tensor
    """uint8 [n, h, w, 3]."""
    labels: Tensor
    """int64 [n, anchors]."""
    deltas: Tensor
    """float32 [n, anchors, 4 or 14]."""
    reading: Reading

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return self._replace(
            pixels=self.pixels.to(device, non_blocking=True),
            labels=self.labels.to(device, non_blocking=True),
            deltas=self.deltas.to(device, non_blocking=True),
        )


class TrainingSamples(TorchDataset[Sample]):
    """The training split as augmented samples.

    An image that cannot be read is replaced by the next of the dataset that can, in the sample's
    own crop and colours: which samples there are depends on the files alone.
    """

    def __init__(
        self,
        dataset: Dataset,
        contract: DetectorContract,
        section: TrainingSection,
        *,
        processes: int = 1,
    ) -> None:
        """processes: of this machine, which share the recipe's cache."""
        self.cache = RecordCache(dataset, section.cache_mib * 2**20 // processes)
        self._contract = contract
        self._section = section
        self._anchors = all_anchors(contract)
        self._partial = partial_rule(contract.classes, section.augment)

    def __getitem__(self, key: Key) -> Sample:
        """Return one sample; raises DataError where too many images in a row are unreadable."""
        epoch, index = key
        times = [time.perf_counter()]
        record, cached, unreadable = self._read(index)
        times.append(time.perf_counter())
        # The sample depends on its key alone, so that neither the number of workers nor an
        # interruption changes what the network sees.
        rng = np.random.default_rng((self._section.seed, epoch, index))
        spec = self._contract.input
        image, truth = augment(
            record.image, record.annotation, spec, self._section.augment, rng, self._partial
        )
        pixels = to_pixels(image, spec)[0]
        times.append(time.perf_counter())
        targets = match(
            truth,
            self._anchors,
            self._contract.variances,
            match_iou=self._section.match_iou,
            ignore_iou=self._section.ignore_iou,
            landmarks=self._contract.has_landmarks,
        )
        times.append(time.perf_counter())
        read_s, augment_s, match_s = np.diff(times).tolist()
        reading = Reading(
            unreadable=tuple(unreadable),
            images=1,
            cached=int(cached),
            read_s=read_s,
            augment_s=augment_s,
            match_s=match_s,
        )
        return Sample(pixels, targets.labels, targets.deltas, reading)

    def __getitems__(self, keys: list[Key]) -> Batch | DataError:
        """Return a batch, or the error: raised in a worker it would come back as a traceback."""
        try:
            samples = [self[key] for key in keys]
        except DataError as error:
            return error
        return Batch(
            pixels=default_collate([sample.pixels for sample in samples]),
            labels=default_collate([sample.labels for sample in samples]),
            deltas=default_collate([sample.deltas for sample in samples]),
            reading=sum((sample.reading for sample in samples), Reading()),
        )

    def _read(self, index: int) -> tuple[Record, bool, list[str]]:
        """Return the record, or the next readable one, whether it was in memory, and why those
        before it cannot be read."""
        unreadable: list[str] = []
        count = len(self.cache)
        for step in range(min(count, MAX_UNREADABLE + 1)):
            try:
                return *self.cache.read((index + step) % count), unreadable
            except DataError as error:
                unreadable.append(str(error))
        raise DataError(
            f"{len(unreadable)} images in a row cannot be read, the first: {unreadable[0]}"
        )


class EpochBatches:
    """Batches of keys: a new seeded order every epoch, the incomplete last batch left out.

    Of several processes each gets its share of every batch, so that no sample is seen twice.
    """

    def __init__(
        self, count: int, batch_size: int, seed: int, *, rank: int = 0, processes: int = 1
    ) -> None:
        """Raises RecipeError where a batch has fewer images than there are processes."""
        self.batch_size = min(batch_size, count)
        if self.batch_size < processes:
            raise RecipeError(
                f"training.batch_size: {processes} processes cannot share batches of "
                f"{self.batch_size} images"
            )
        self._count = count
        self._seed = seed
        self._rank, self._processes = rank, processes
        self.epoch = 0
        self.first = 0
        """The batch that an epoch begins with: 0, but where one is resumed."""

    def __len__(self) -> int:
        return self._count // self.batch_size

    def __iter__(self) -> Iterator[list[Key]]:
        order = np.random.default_rng((self._seed, self.epoch)).permutation(self._count)
        end = len(self) * self.batch_size
        for start in range(self.first * self.batch_size, end, self.batch_size):
            batch = order[start : start + self.batch_size]
            yield [(self.epoch, int(i)) for i in batch[self._rank :: self._processes]]


def make_loader(
    samples: TrainingSamples, batches: EpochBatches, workers: int
) -> DataLoader[Batch | DataError]:
    """Return the loader of batches; an error that a worker met comes in a batch's place."""
    return _Loader(
        samples,  # type: ignore[arg-type]
        batch_sampler=batches,
        collate_fn=_as_it_is,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_begin_worker,
        prefetch_factor=4 if workers else None,
        pin_memory=torch.cuda.is_available(),
        # Forked workers share the memory of the cache.
        multiprocessing_context="fork" if workers else None,
    )


class _Loader(DataLoader[Batch | DataError]):
    """A loader whose workers are forked while OpenCV has no threads.

    A fork does not take threads along, and OpenCV would wait for them for ever.
    """

    def __iter__(self) -> Any:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            return super().__iter__()
        finally:
            cv2.setNumThreads(threads)


def _as_it_is(batch: Any) -> Any:
    return batch


def _begin_worker(worker: int) -> None:
    """Keep a worker on one core, leave Ctrl-C to the process that it works for, and end with it."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        # Killed, that process cannot end its workers, and they hold its memory and its folder.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
