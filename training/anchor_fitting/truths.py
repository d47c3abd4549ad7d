"""The objects of a split in pixels of the network's input: as annotated, and as training changes
them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...datasets.annotated_files import AnnotatedFiles
from ...datasets.partial import partial_rule
from ...datasets.record import Annotation, Dataset
from ...errors import DataError
from ...recipe import TrainingSection
from ...runtime.contract import InputSpec
from ...runtime.orientation import read_shown_size
from ...runtime.placement import place
from ..augmentation import augment
from ..loading import EpochBatches

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Truths:
    """The objects of some images, those marked ignore left out.

    boxes: float32 [n, 4] corners in pixels of the network's input; labels: int64 [n], from 1;
    image: int64 [n], which image of the dataset each comes from.
    images: how many were looked at, or drawn; ignored: how many regions were left out.
    """

    boxes: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    image: npt.NDArray[np.int64]
    images: int
    ignored: int

    @property
    def sizes(self) -> npt.NDArray[np.float64]:
        """Return width and height of every box, float64 [n, 2], in pixels."""
        return np.asarray(self.boxes[:, 2:4] - self.boxes[:, 0:2], np.float64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Collected:
    """The same images twice. augmented: None where no sample was asked for."""

    annotated: Truths
    augmented: Truths | None

    @property
    def fitted(self) -> Truths:
        """Return what anchors are to be fitted to: what the network learns on, where it is known.

        On BCCD anchors fitted to the annotated boxes lose 2 points of recall on the augmented ones
        that training matches; those fitted to the augmented ones lose nothing on either.
        """
        return self.annotated if self.augmented is None else self.augmented


def collect(
    dataset: Dataset,
    spec: InputSpec,
    section: TrainingSection,
    *,
    samples: int,
    limit: int | None = None,
    progress: Progress = lambda done, total: None,
) -> Collected:
    """Read the objects of a dataset at the network's scale, placed as `spec` says.

    samples: so many augmented images, the very first that a training with `section` sees; 0: none,
    and the truth of every image, whose pixels are then not read where they are in a file.
    limit: only of the first so many images. Raises DataError where there is no object.
    """
    count = len(dataset) if limit is None else min(limit, len(dataset))
    if not samples:
        every = []
        for index in range(count):
            every.append((index, _annotated(dataset, index, spec)))
            progress(index + 1, count)
        found = Collected(annotated=_join(every), augmented=None)
    else:
        found = _sampled(
            dataset, spec, section, _first_keys(count, samples, section.seed), progress
        )
    for truths, kind in ((found.annotated, "annotated"), (found.fitted, "augmented")):
        if not len(truths.boxes):
            raise DataError(
                f"{dataset.name}: no {kind} object in the {truths.images} images looked at "
                f"({truths.ignored} marked ignore): there is nothing to fit anchors to"
            )
    return found


def _first_keys(count: int, samples: int, seed: int) -> list[tuple[int, int]]:
    """Return the (epoch, index) of the samples that a training begins with."""
    if not count:
        return []
    keys: list[tuple[int, int]] = []
    batches = EpochBatches(count, 1, seed)
    while len(keys) < samples:
        keys += [key for batch in batches for key in batch]
        batches.epoch += 1
    return keys[:samples]


def _sampled(
    dataset: Dataset,
    spec: InputSpec,
    section: TrainingSection,
    keys: Sequence[tuple[int, int]],
    progress: Progress,
) -> Collected:
    """Draw the samples of these keys; the images that they are drawn from come once each."""
    partial = partial_rule(dataset.classes, section.augment)
    annotated: dict[int, Annotation] = {}
    augmented: list[tuple[int, Annotation]] = []
    for done, (epoch, index) in enumerate(keys):
        record = dataset[index]
        height, width = record.image.shape[:2]
        annotated.setdefault(index, _placed(record.annotation, width, height, spec))
        # As `TrainingSamples` draws them: a sample depends on its key alone.
        rng = np.random.default_rng((section.seed, epoch, index))
        _, changed = augment(record.image, record.annotation, spec, section.augment, rng, partial)
        augmented.append((index, changed))
        progress(done + 1, len(keys))
    return Collected(annotated=_join(list(annotated.items())), augmented=_join(augmented))


def _annotated(dataset: Dataset, index: int, spec: InputSpec) -> Annotation:
    if isinstance(dataset, AnnotatedFiles):
        return _placed(dataset.annotation(index), *read_shown_size(dataset.image_path(index)), spec)
    record = dataset[index]
    return _placed(record.annotation, record.image.shape[1], record.image.shape[0], spec)


def _placed(truth: Annotation, width: int, height: int, spec: InputSpec) -> Annotation:
    boxes = place(width, height, spec).to_input(truth.boxes)
    return Annotation(boxes=boxes, labels=truth.labels, ignore=truth.ignore)


def _join(truths: Sequence[tuple[int, Annotation]]) -> Truths:
    """Return the objects of some images, each image with its index."""
    # The empty one gives the arrays their shapes where there is nothing else.
    kept = [(index, t, ~t.ignore) for index, t in [(0, Annotation.empty()), *truths]]
    return Truths(
        boxes=np.concatenate([t.boxes[keep] for _, t, keep in kept]),
        labels=np.concatenate([t.labels[keep] for _, t, keep in kept]),
        image=np.concatenate([np.full(keep.sum(), index, np.int64) for index, _, keep in kept]),
        images=len(truths),
        ignored=sum(int(t.ignore.sum()) for _, t, _ in kept),
    )
