"""The ranking of one class, and its precision for many weightings of the images at once.

COCO's average precision is a function of four columns: the score of every detection, whether it
is a hit, its image, and the number of objects in every image. Images that count several times, or
not at all, only change weights in two cumulative sums. So the matching is done once, and one more
weighting costs two sums over the detections.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .matches import NOTHING, Bools, Float, Ints, Matches

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where COCO reads the precision off (pycocotools, `Params.recThrs`)."""
BLOCK_VALUES = 1 << 20
"""Weights that are summed at once: few enough to stay in the processor's cache."""

Double = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranking:
    """The hits and false alarms of one class at one IoU by falling score: every curve is in it.

    objects: int64 [images]. hits, alarms: int64, the image of each. starts: int64 [hits], how many
    of `alarms` come before each hit. hit_scores, alarm_scores: float32, of each.
    """

    objects: Ints
    hits: Ints
    alarms: Ints
    starts: Ints
    hit_scores: Float
    alarm_scores: Float

    @property
    def images(self) -> int:
        """Return the number of images."""
        return len(self.objects)

    @property
    def total(self) -> int:
        """Return the number of objects."""
        return int(self.objects.sum())


def rank(
    matches: Matches,
    label: int,
    iou_index: int = 0,
    *,
    truths: Bools | None = None,
    found: Bools | None = None,
) -> Ranking:
    """Rank the detections of a class.

    truths, found: the objects and the detections that belong to a group; a hit belongs to it where
    its object does, a false alarm where the detection does. All where None.
    """
    known = matches.truths
    counted = known.counted & (known.label == label)
    order = matches.by_score(label)
    order = order[~matches.void[iou_index, order]]
    truth_of = matches.truth_of[iou_index, order]
    is_hit = truth_of != NOTHING
    keep = np.ones(len(order), np.bool_)
    if truths is not None:
        counted = counted & truths
        keep[is_hit] = truths[truth_of[is_hit]]
    if found is not None:
        keep[~is_hit] = found[order[~is_hit]]
    order, is_hit = order[keep], is_hit[keep]
    hits, alarms = order[is_hit], order[~is_hit]
    return Ranking(
        objects=np.bincount(known.image[counted], minlength=known.images).astype(np.int64),
        hits=matches.image[hits],
        alarms=matches.image[alarms],
        starts=np.cumsum(~is_hit)[is_hit].astype(np.int64),
        hit_scores=matches.score[hits],
        alarm_scores=matches.score[alarms],
    )


def precisions(ranking: Ranking, weights: Double) -> Double:
    """Return the precision at RECALLS, [weightings, 101], nan where a weighting has no object.

    weights: [images, weightings], how often each image counts. At ones this is what
    `COCOeval.accumulate` computes: the highest precision at that recall or beyond, 0 where the
    recall is never reached.
    """
    count = weights.shape[1]
    curves = np.zeros((count, len(RECALLS)))
    rows = max(len(ranking.hits), len(_before_last_hit(ranking)), 1)
    step = max(1, BLOCK_VALUES // rows)
    for first in range(0, count, step):
        chosen = slice(first, first + step)
        curves[chosen] = _block(ranking, np.ascontiguousarray(weights[:, chosen]))
    return curves


def _before_last_hit(ranking: Ranking) -> Ints:
    """Return the images of the false alarms that some precision counts."""
    return ranking.alarms[: int(ranking.starts[-1]) if len(ranking.starts) else 0]


def _block(ranking: Ranking, weights: Double) -> Double:
    objects = ranking.objects @ weights  # [weightings]
    curves = np.zeros((weights.shape[1], len(RECALLS)))
    curves[objects == 0] = np.nan
    if not len(ranking.hits):
        return curves
    hits = np.cumsum(weights[ranking.hits], axis=0)  # [hits, weightings]
    alarms = np.zeros_like(hits)
    above = _before_last_hit(ranking)
    if len(above):
        summed = np.cumsum(weights[above], axis=0)
        some = ranking.starts > 0
        alarms[some] = summed[ranking.starts[some] - 1]
    # A leading hit whose image does not count has neither hits nor, perhaps, alarms above it.
    best = hits / np.maximum(hits + alarms, np.finfo(np.float64).eps)
    np.maximum.accumulate(best[::-1], axis=0, out=best[::-1])
    recall, best = np.ascontiguousarray(hits.T), np.ascontiguousarray(best.T)
    for row in np.nonzero(objects > 0)[0]:
        where = np.searchsorted(recall[row] / objects[row], RECALLS, side="left")
        reached = where < len(ranking.hits)
        curves[row, reached] = best[row, where[reached]]
    return curves
