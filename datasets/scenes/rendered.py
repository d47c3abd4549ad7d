"""What the built-in datasets share: pictures that depend on a seed, a split and an index alone."""

from __future__ import annotations

import hashlib
import json
from typing import ClassVar, Literal

import numpy as np

from ..record import Annotation, Dropped, Record
from .camera import Pixels

Split = Literal["train", "val", "test"]
SPLITS = {"train": 1, "val": 2, "test": 3}


class Rendered:
    """A fixed sequence of rendered pictures; satisfies `Dataset`.

    A picture depends on (seed, split, index) alone: `count` only sets how many there are, and any
    of them can be rendered in any order and from several threads. A dataset derives from this
    class, names itself and renders.

    kind: the name. renderer: changes whenever the same seed would give other pictures. salt:
    keeps the random numbers of one kind apart from another's.
    """

    kind: ClassVar[str]
    renderer: ClassVar[str]
    salt: ClassVar[tuple[int, ...]] = ()
    classes: tuple[str, ...]

    def __init__(self, *, split: Split, count: int, seed: int = 0) -> None:
        """Describe `count` pictures; ValueError for an unknown split or a negative number."""
        if split not in SPLITS:
            raise ValueError(f"split {split!r} is not one of {', '.join(SPLITS)}")
        if count < 0 or seed < 0:
            raise ValueError(f"count {count} and seed {seed} must not be negative")
        self.name = f"{self.kind}-{split}"
        self.dropped: list[Dropped] = []
        self.split = split
        self.count = count
        self.seed = seed

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Record:
        if not 0 <= index < self.count:
            raise IndexError(f"{self.kind} {index} of {self.count}")
        words = (self.seed, SPLITS[self.split], index, *self.salt)
        rng = np.random.default_rng(np.random.SeedSequence(words))
        name = f"{self.split}-{self.seed}-{index:06d}"
        image, annotation = self.render(rng, name)
        return Record(name=name, image=image, annotation=annotation)

    def render(self, rng: np.random.Generator, name: str) -> tuple[Pixels, Annotation]:
        """Return one picture, uint8 [height, width, 3], BGR, and its truth."""
        raise NotImplementedError

    def annotation(self, index: int) -> Annotation:
        """Return the truth of picture `index`; visibility needs the whole rendering."""
        return self[index].annotation

    def fingerprint(self) -> str:
        """Return the sha256 of the renderer's version, the split, the count and the seed."""
        text = json.dumps([self.renderer, self.split, self.count, self.seed])
        return hashlib.sha256(text.encode()).hexdigest()
