"""From records to training batches: augmented, matched, the same for any worker count."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from ..datasets.record import Dataset
from ..recipe_training import TrainingSection
from ..runtime.anchors import all_anchors
from ..runtime.contract import DetectorContract
from ..runtime.images import to_pixels
from .augmentation import augment
from .matching import match

Sample = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.float32]]


class TrainingSamples(TorchDataset[Sample]):
    """The training split as augmented samples; a key is (epoch, index)."""

    def __init__(
        self, dataset: Dataset, contract: DetectorContract, section: TrainingSection
    ) -> None:
        self._dataset = dataset
        self._contract = contract
        self._section = section
        self._anchors = all_anchors(contract)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return pixels uint8 [h, w, 3], labels [anchors] and deltas [anchors, 4] of one sample."""
        epoch, index = key
        # The sample depends on its key alone, so that neither the number of workers nor an
        # interruption changes what the network sees.
        rng = np.random.default_rng((self._section.seed, epoch, index))
        record = self._dataset[index]
        spec = self._contract.input
        image, truth = augment(record.image, record.annotation, spec, self._section.augment, rng)
        targets = match(
            truth,
            self._anchors,
            self._contract.variances,
            match_iou=self._section.match_iou,
            ignore_iou=self._section.ignore_iou,
        )
        return to_pixels(image, spec)[0], targets.labels, targets.deltas


class EpochBatches:
    """Batches of keys: a new seeded order every epoch, the incomplete last batch left out."""

    def __init__(self, count: int, batch_size: int, seed: int) -> None:
        self._count = count
        self._batch = min(batch_size, count)
        self._seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return self._count // self._batch

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng((self._seed, self.epoch)).permutation(self._count)
        for start in range(0, len(self) * self._batch, self._batch):
            yield [(self.epoch, int(i)) for i in order[start : start + self._batch]]


def make_loader(
    samples: TrainingSamples, batches: EpochBatches, workers: int
) -> DataLoader[tuple[Tensor, Tensor, Tensor]]:
    """Return the loader of batches: pixels uint8 [n, h, w, 3], labels, deltas."""
    return DataLoader(
        samples,  # type: ignore[arg-type]  # the default collation turns arrays into tensors
        batch_sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_one_thread,
        prefetch_factor=4 if workers else None,
    )


def _one_thread(worker: int) -> None:
    """Keep a worker on one core: the network needs the others."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
