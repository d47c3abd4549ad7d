"""What a detector finds and misses at a score threshold: the points to choose from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .curves import Double, Ranking
from .matches import Float, Ints


@dataclass(frozen=True, kw_only=True)
class OperatingPoint:
    """What a detector does at one score threshold.

    score: the threshold, detections from it up are shown; None where no threshold keeps the false
    positives as few as was asked. miss_rate: objects that are not found, 0 to 1, nan without
    objects. fppi: false positives per image. precision: nan where nothing is shown. hits,
    false_alarms, objects: counts.
    """

    score: float | None
    miss_rate: float
    fppi: float
    precision: float
    hits: int
    false_alarms: int
    objects: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdCurve:
    """Every threshold that tells detections of one class apart, highest first.

    No threshold separates equal scores, of which 8-bit outputs have many. score: float32 [n].
    hits, alarms: int64 [n], shown from that score up. images, objects: counts.
    """

    score: Float
    hits: Ints
    alarms: Ints
    images: int
    objects: int

    @classmethod
    def of(cls, ranking: Ranking) -> ThresholdCurve:
        """Count what is shown at every score of a ranking."""
        score = np.unique(np.concatenate([ranking.hit_scores, ranking.alarm_scores]))[::-1]
        return cls(
            score=score,
            hits=_from(ranking.hit_scores, score),
            alarms=_from(ranking.alarm_scores, score),
            images=ranking.images,
            objects=ranking.total,
        )

    @property
    def miss_rate(self) -> Double:
        """Return the share of the objects that is not found, 0 to 1; nan without objects."""
        if not self.objects:
            return np.full(len(self.score), np.nan)
        return np.asarray(1 - self.hits / self.objects, np.float64)

    @property
    def fppi(self) -> Double:
        """Return the false positives per image."""
        return np.asarray(self.alarms / max(self.images, 1), np.float64)

    @property
    def precision(self) -> Double:
        """Return the share of what is shown that is a hit, 0 to 1."""
        return np.asarray(self.hits / (self.hits + self.alarms), np.float64)


def at_score(ranking: Ranking, score: float) -> OperatingPoint:
    """Return what is found and missed with a score threshold, 0 to 1."""
    hits, alarms = (
        int(_from(scores, np.asarray([score], np.float32))[0])
        for scores in (ranking.hit_scores, ranking.alarm_scores)
    )
    return _point(ranking, score, hits, alarms)


def at_fppi(ranking: Ranking, fppi: float) -> OperatingPoint:
    """Return what the lowest score threshold with no more false positives per image does."""
    points = ThresholdCurve.of(ranking)
    within = int(np.searchsorted(points.fppi, fppi, side="right"))
    if not within:
        return _point(ranking, None, 0, 0)
    return at_score(ranking, shortest(points.score[within - 1]))


def together(points: Mapping[str, OperatingPoint], images: int) -> OperatingPoint:
    """Return what the points of all classes come to: their counts added up.

    score: None where they differ.
    """
    scores = {point.score for point in points.values()}
    return _sum(
        scores.pop() if len(scores) == 1 else None,
        hits=sum(point.hits for point in points.values()),
        alarms=sum(point.false_alarms for point in points.values()),
        objects=sum(point.objects for point in points.values()),
        images=images,
    )


def shortest(score: np.float32) -> float:
    """Return a score in as few digits as name it: as a threshold it shows what scores it."""
    return float(str(score))


def _from(scores: Float, least: Float) -> Ints:
    """Return how many of some falling scores are at least each of the others."""
    return np.searchsorted(-scores, -least, side="right").astype(np.int64)


def _point(ranking: Ranking, score: float | None, hits: int, alarms: int) -> OperatingPoint:
    return _sum(score, hits=hits, alarms=alarms, objects=ranking.total, images=ranking.images)


def _sum(
    score: float | None, *, hits: int, alarms: int, objects: int, images: int
) -> OperatingPoint:
    shown = hits + alarms
    return OperatingPoint(
        score=score,
        miss_rate=1 - hits / objects if objects else math.nan,
        fppi=alarms / images if images else math.nan,
        precision=hits / shown if shown else math.nan,
        hits=hits,
        false_alarms=alarms,
        objects=objects,
    )
