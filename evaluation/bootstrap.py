"""How sure a score is: the images drawn again and again, the same ones for every detector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .curves import Double, precisions, rank
from .matches import Bools, Matches

REPLICATES = 1000
SEED = 0
LEVEL = 0.95
METHOD = (
    "percentile bootstrap over images: {replicates} replicates (seed {seed}) draw as many images "
    "as there are, with replacement, the same ones for every graph, so that the differences are "
    "paired; detections are matched once, the precision-recall curve is recomputed in each "
    "replicate, and the interval holds the middle {level:.0%} of them"
)
"""B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), section 13.3."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where a figure lies with a confidence of LEVEL, in the unit of the figure."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Resampling:
    """The draws that every figure of a report shares.

    weights: float64 [images, 1 + replicates], how often each image counts: once in the first
    column, as drawn in the others.
    """

    weights: Double
    seed: int

    @classmethod
    def draw(cls, images: int, replicates: int = REPLICATES, seed: int = SEED) -> Resampling:
        """Draw the replicates of a set of images."""
        weights = np.ones((images, 1 + replicates))
        if images:
            drawn = np.random.default_rng(seed).multinomial(
                images, np.full(images, 1 / images), size=replicates
            )
            weights[:, 1:] = drawn.T
        return cls(weights=weights, seed=seed)

    @property
    def replicates(self) -> int:
        """Return the number of draws."""
        return int(self.weights.shape[1]) - 1

    def describe(self) -> str:
        """Return the method in words."""
        return METHOD.format(replicates=self.replicates, seed=self.seed, level=LEVEL)


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """One figure of one detector: the value on the images themselves and in every replicate.

    values: float64 [1 + replicates]; nan where no object was drawn.
    """

    values: Double

    @property
    def value(self) -> float:
        """Return the figure on the images themselves."""
        return float(self.values[0])

    def interval(self) -> Interval | None:
        """Return where the figure lies, None where that cannot be told."""
        return _middle(self.values[1:])

    def drop_from(self, reference: Spread) -> Spread:
        """Return what was lost against the same figure of a reference, in points of 100."""
        return Spread(values=100 * (reference.values - self.values))


def average_precisions(
    matches: Matches,
    labels: Sequence[int],
    resampling: Resampling,
    *,
    ious: Sequence[int] = (0,),
    truths: Bools | None = None,
    found: Bools | None = None,
) -> Double:
    """Return the average precision of every class, at every IoU, in every replicate.

    labels: the classes, from 1. ious: positions among the thresholds of the matches. truths,
    found: the group that is looked at (see `rank`). Returns [labels, ious, 1 + replicates].
    """
    return np.stack(
        [
            [
                precisions(
                    rank(matches, label, iou, truths=truths, found=found), resampling.weights
                ).mean(axis=1)
                for iou in ious
            ]
            for label in labels
        ]
    )


def mean_over_classes(values: Double) -> Spread:
    """Return the mean over classes, then over IoUs, of what `average_precisions` returned.

    A class that has no object in a replicate is left out of it, as COCO leaves it out.
    """
    known = ~np.isnan(values)
    counts = known.sum(axis=0)
    sums = np.where(known, values, 0).sum(axis=0)
    means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return Spread(values=means.mean(axis=0))


def _middle(values: npt.NDArray[np.float64]) -> Interval | None:
    known = values[~np.isnan(values)]
    if len(known) < 2:
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(low=float(low), high=float(high)) if math.isfinite(low) else None
