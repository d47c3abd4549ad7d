"""Landmarks: the five points of a face, from deltas to pixels and back.

A point's deltas are its distance from the anchor's centre, in sides of the anchor, divided by the
variance of the centre: as a box's centre is written (`boxes.encode`), without a bound.
Source: the regression of five points beside the box of MTCNN (arXiv 1604.02878, section 2.1,
equation 3) and RetinaFace (arXiv 1905.00641, section 3.1), relative to anchors as SSD's centres.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .anchors import all_anchors
from .code_candidates import code_table
from .contract import LANDMARK_VALUES, LANDMARKS, DetectorContract
from .encodings import Encoding

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]


def encode_landmarks(points: Float, anchors: Float, variances: tuple[float, float]) -> Float:
    """Return the deltas, float32 [n, 10], (x, y) a point, that lead from each anchor to its points.

    points: [n, 5, 2] in pixels of the network's input, NaN where not known: then its deltas are
    NaN. anchors: [n, 4] centred. variances: divisors of centre and size; only the first is used.
    """
    offsets = (points - anchors[:, None, 0:2]) / anchors[:, None, 2:4] / variances[0]
    return offsets.reshape(-1, LANDMARK_VALUES).astype(np.float32)


def decode_landmarks(deltas: Float, anchors: Float, variances: tuple[float, float]) -> Float:
    """Return the points, float32 [n, 5, 2], in pixels of the network's input: encode's inverse.

    deltas: [n, 10], (x, y) a point; anchors: [n, 4] centred. A point may lie outside the input.
    """
    sides, centres = anchors[:, None, 2:4], anchors[:, None, 0:2]
    points = deltas.reshape(-1, len(LANDMARKS), 2) * variances[0] * sides + centres
    return np.asarray(points, np.float32)


class LandmarkDecoder:
    """Turns the landmark outputs into points, of the few anchors that became detections.

    The arithmetic is that of `decode_landmarks`, operation by operation; of 8-bit deltas what
    needs no anchor is in a table.
    """

    def __init__(self, contract: DetectorContract, encodings: Mapping[str, Encoding]) -> None:
        """Make the tables; encodings: of the outputs by name, empty where there are no codes."""
        self._names = [v.landmarks for v in contract.levels if v.landmarks is not None]
        self._variances = contract.variances
        self._anchors = all_anchors(contract)
        counts = [v.rows * v.columns * len(v.anchors) for v in contract.levels]
        self._ends = np.cumsum(counts)
        centre = np.float32(contract.variances[0])
        self._tables = [code_table(encodings[n], n) * centre for n in self._names if encodings]

    def __call__(self, outputs: Mapping[str, npt.NDArray[Any]], anchors: Index) -> Float:
        """Return the points of the chosen anchors, float32 [n, 5, 2], pixels of the input.

        outputs: by name, NHWC, uint8 codes or float32, as `Gatherer` has checked them; anchors:
        [n]. The caller silences numpy about numbers that overflow.
        """
        factors = np.empty((len(anchors), LANDMARK_VALUES), np.float32)
        levels = np.searchsorted(self._ends, anchors, side="right")
        for level, name in enumerate(self._names):
            rows = (levels == level).nonzero()[0]
            if len(rows):
                first = self._ends[level - 1] if level else 0
                deltas = outputs[name].reshape(-1, LANDMARK_VALUES)
                chosen = deltas.take(anchors.take(rows) - first, axis=0)
                factors[rows] = self._factors(chosen, level)
        own = self._anchors.take(anchors, axis=0)
        points = factors.reshape(-1, len(LANDMARKS), 2)
        points *= own[:, None, 2:4]
        points += own[:, None, 0:2]
        return points

    def _factors(self, deltas: npt.NDArray[Any], level: int) -> Float:
        if deltas.dtype == np.uint8:
            return self._tables[level].take(deltas)
        return np.asarray(deltas * self._variances[0], np.float32)
