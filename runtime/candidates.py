"""Candidates: the (anchor, class) pairs whose score reaches the threshold; here of float scores.

The work on all anchors is one comparison of raw numbers with a bound; only what passes gets a
score, by the arithmetic of `activate`, and is compared by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .activation import activate, least_logit
from .contract import DetectorContract

Float = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]
Found = tuple[Index, Index | None, Float]
"""Anchor, class from 0 (None where there is only one) and score of each candidate, in the order of
the anchors, of one anchor in the order of the classes."""


class Candidates:
    """What finds the candidates of one network; it keeps buffers, so for one thread at a time."""

    def reach(self, thresholds: Float) -> None:
        """Take the least score of each class, float32 [classes], for all finds that follow."""
        raise NotImplementedError

    def find(self, scores: npt.NDArray[Any]) -> Found:
        """Return the candidates of raw scores, [anchors, scores_per_anchor], C-contiguous."""
        raise NotImplementedError


class FloatCandidates(Candidates):
    """Candidates of float32 scores, with softmax or sigmoid and any number of classes."""

    def __init__(self, contract: DetectorContract) -> None:
        self._contract = contract
        count, width = contract.anchor_count, contract.scores_per_anchor
        self._softmax = contract.activation == "softmax"
        self._highest = WindowMaximum(count, width, np.dtype(np.float32))
        self._excess = np.empty(count, np.float32)
        self._passed = np.empty((count, 1 if self._softmax else width), np.bool_)

    def reach(self, thresholds: Float) -> None:
        """Take the least score of each class."""
        self._thresholds = thresholds
        self._bound = np.float32(least_logit(float(thresholds.min())))

    def find(self, scores: npt.NDArray[Any]) -> Found:
        """Return the candidates of float32 scores [anchors, scores_per_anchor]."""
        logits: Float = scores
        if self._softmax:
            with np.errstate(over="ignore"):  # the difference of two wild scores may be infinite
                np.subtract(self._highest(scores), scores[:, 0], out=self._excess)
            logits = self._excess[:, None]
        np.greater_equal(logits, self._bound, out=self._passed)
        passed = self._passed
        rows = np.logical_or.reduce(passed, axis=1) if passed.shape[1] > 1 else passed[:, 0]
        anchors = rows.nonzero()[0]
        return exact(scores.take(anchors, axis=0), anchors, self._thresholds, self._contract)


def exact(raw: Float, anchors: Index, thresholds: Float, contract: DetectorContract) -> Found:
    """Return those of a few anchors' (anchor, class) pairs that are candidates.

    raw: float32 [n, scores_per_anchor]; anchors: [n], in their order.
    """
    with np.errstate(over="ignore"):
        probabilities = activate(raw, contract)
    row, label = (probabilities >= thresholds).nonzero()
    return anchors.take(row), label if len(thresholds) > 1 else None, probabilities[row, label]


class WindowMaximum:
    """The highest of an anchor's scores but the first, which is the background's.

    Reducing along rows of 3 or 21 numbers is slow in numpy. The maximum of every window of the
    flat array takes log2(21) passes of its fastest loop, and the windows wanted are then picked.
    """

    def __init__(self, count: int, width: int, kind: np.dtype[Any]) -> None:
        self._width = width
        self._spare = [np.empty(count * width, kind) for _ in range(2 if width > 2 else 0)]

    def __call__(self, scores: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return [anchors], a view, for scores [anchors, width], C-contiguous."""
        width, source = self._width, scores.reshape(-1)
        window, turn = 1, 0
        while window < width - 1:
            step = min(window, width - 1 - window)
            result = self._spare[turn][: len(source) - step]
            np.maximum(source[:-step], source[step:], out=result)
            source, window, turn = result, window + step, 1 - turn
        return source[1::width]
