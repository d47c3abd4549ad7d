"""Scoring the network during a training, on a few images of the validation split."""

from __future__ import annotations

from ..datasets.record import Annotation, Dataset, Dropped, Record
from ..errors import DataError
from ..evaluation.average_precision import Accuracy
from ..evaluation.running import evaluate
from ..runtime.contract import DetectorContract
from ..runtime.detector import Detector
from .backend import TorchBackend
from .networks import SSD

IMAGES = 100
"""Of the validation split, its first ones."""


class Validation:
    """The validation images; one that cannot be read is left out from then on."""

    def __init__(self, dataset: Dataset, contract: DetectorContract, score: float) -> None:
        """score: the threshold under which detections are not asked for."""
        self._images = _Readable(dataset, min(len(dataset), IMAGES))
        self._contract = contract
        self._score = score

    def __call__(self, network: SSD) -> tuple[Accuracy | None, list[str]]:
        """Return the accuracy, and why images were left out this time.

        None where no image is left.
        """
        detector = Detector(self._contract, TorchBackend(network, self._contract))
        reasons: list[str] = []
        while len(self._images):
            try:
                found = evaluate(detector, self._images, score=self._score)
            except DataError as error:
                if not self._images.leave_out():
                    raise
                reasons.append(str(error))
            else:
                return found.accuracy, reasons
        return None, reasons


class _Readable:
    """The first images of a dataset without those that were left out; satisfies `Dataset`."""

    def __init__(self, dataset: Dataset, count: int) -> None:
        self.name, self.classes = dataset.name, dataset.classes
        self._dataset = dataset
        self._indices = list(range(count))
        self._unreadable: int | None = None

    @property
    def dropped(self) -> list[Dropped]:
        return self._dataset.dropped

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, position: int) -> Record:
        index = self._indices[position]
        try:
            return self._dataset[index]
        except DataError:
            self._unreadable = index
            raise

    def leave_out(self) -> bool:
        """Leave out the image that could not be read, if there was one."""
        found = self._unreadable is not None
        if self._unreadable is not None:
            self._indices.remove(self._unreadable)
        self._unreadable = None
        return found

    def annotation(self, index: int) -> Annotation:
        return self._dataset.annotation(self._indices[index])

    def fingerprint(self) -> str:
        return self._dataset.fingerprint()
