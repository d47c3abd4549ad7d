"""How far the landmarks of the faces that were found are from the annotated ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..datasets.record import LANDMARKS, Annotation
from ..runtime.detections import Detections
from .matches import Float, Matches
from .matching import match

Double = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LandmarkError:
    """The normalised mean error (NME) of landmarks, as shares: 0.03 is three percent.

    faces: that were found and have a landmark that is known. box: the mean over these faces of
    the mean distance of its known points from the annotated ones, over the square root of its
    box's area. eyes: the same over the distance of its eyes, of faces of which both are known; None
    where there is none. points: as `box`, of each landmark by name; None where it is never known.
    """

    faces: int
    box: float
    eyes: float | None
    points: dict[str, float | None]


def landmark_error(
    truths: Sequence[Annotation], found: Sequence[Detections], least: Float
) -> LandmarkError | None:
    """Compare landmarks of detections with those of the objects that they found at IoU 0.5.

    least: float32 [classes], the score from which a detection counts, of each class. None where no
    detection that counts found an object with known landmarks.
    Source: RetinaFace (arXiv 1905.00641) divides by the face's size sqrt(width * height) on AFLW,
    the wing loss's authors (arXiv 1711.06753) by the distance of the eyes on 300W.
    """
    if all(d.landmarks is None for d in found):
        return None
    matches = match(truths, found)
    sure = matches.score >= least.take(matches.label - 1)
    rows = np.flatnonzero(matches.hit() & sure)
    chosen = matches.truth_of[0][rows]
    expected = np.concatenate([np.zeros((0, 5, 2), np.float32), *(t.points() for t in truths)])
    expected = expected[chosen]
    predicted = _all_landmarks(found)[rows]
    apart = np.linalg.norm(predicted.astype(np.float64) - expected, axis=2)  # [faces, 5]
    known = np.isfinite(apart)
    some = known.any(axis=1)
    if not some.any():
        return None
    by_box = apart / _sizes(matches, chosen)[:, None]
    eyes = np.linalg.norm(expected[:, 0].astype(np.float64) - expected[:, 1], axis=1)
    return LandmarkError(
        faces=int(some.sum()),
        box=float(_mean_rows(by_box[some]).mean()),
        eyes=_mean(_mean_rows(apart[eyes > 0]) / eyes[eyes > 0]),
        points={name: _mean(by_box[known[:, i], i]) for i, name in enumerate(LANDMARKS)},
    )


def _all_landmarks(found: Sequence[Detections]) -> Float:
    """Return the points of all detections, one after the other, NaN where there are none."""
    points = [np.zeros((0, len(LANDMARKS), 2), np.float32)]
    for detections in found:
        unknown = np.full((len(detections), len(LANDMARKS), 2), np.nan, np.float32)
        points.append(unknown if detections.landmarks is None else detections.landmarks)
    return np.concatenate(points)


def _sizes(matches: Matches, chosen: npt.NDArray[np.int64]) -> Double:
    """Return the square root of the area of the annotated boxes."""
    boxes = matches.truths.boxes[chosen].astype(np.float64)
    return np.asarray(np.sqrt((boxes[:, 2:4] - boxes[:, 0:2]).prod(axis=1)), np.float64)


def _mean_rows(values: Double) -> Double:
    """Return the mean of each row's known values; every row has one."""
    return np.asarray(np.nanmean(values, axis=1), np.float64)


def _mean(values: Double) -> float | None:
    return float(values.mean()) if len(values) else None
