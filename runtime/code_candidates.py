"""Candidates of 8-bit scores: a threshold is a comparison of codes, only survivors get a score.

Every table holds what `activate` makes of a code or a pair of codes, so that the scores are those
of the plain reading bit by bit. The tables depend on the encodings alone; a new threshold only
looks up where they reach it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ArtifactError
from .activation import activate, least_logit
from .candidates import Candidates, Float, Found, WindowMaximum, exact
from .contract import DetectorContract
from .encodings import Encoding

Codes = npt.NDArray[np.uint8]

PAIR = np.dtype("<u2")
"""Two neighbouring codes as one number: the background in the low byte, the class in the high."""
LOW_BYTE, EIGHT = PAIR.type(255), PAIR.type(8)


def code_table(encoding: Encoding, name: str) -> Float:
    """Return the real number of each of the 256 codes; ArtifactError where one is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        table = encoding.dequantize(np.arange(256, dtype=np.uint8))
    if not np.isfinite(table).all():
        raise ArtifactError(
            f"the encoding of the output {name} is not finite in float32 "
            f"(scale {encoding.scale:g}): quantize again"
        )
    return table


def of_anchors(per_level: npt.ArrayLike, contract: DetectorContract) -> npt.NDArray[Any]:
    """Return what is given for every level [levels, ...] for every anchor [anchors, ...]."""
    counts = [v.rows * v.columns * len(v.anchors) for v in contract.levels]
    return np.repeat(np.asarray(per_level), counts, axis=0)


def code_candidates(contract: DetectorContract, encodings: Sequence[Encoding]) -> Candidates:
    """Return what finds the candidates in codes; encodings: of each level's scores."""
    tables = np.stack(
        [code_table(e, v.scores) for e, v in zip(encodings, contract.levels, strict=True)]
    )
    if contract.activation == "sigmoid":
        return SigmoidCodes(contract, tables)
    if len(contract.classes) == 1:
        return PairCodes(contract, tables)
    return SoftmaxCodes(contract, tables, [e.scale for e in encodings])


class PairCodes(Candidates):
    """Softmax of background and one class: the score is a function of both codes.

    It follows their difference but for rounding, so that the least difference that ever reaches
    the threshold is compared, and the score of a survivor decides.
    """

    def __init__(self, contract: DetectorContract, tables: Float) -> None:
        self._contract = contract
        codes = np.arange(256)
        background, object_ = np.tile(codes, 256), np.repeat(codes, 256)  # as PAIR counts
        raw = np.stack([tables[:, background], tables[:, object_]], axis=-1)  # [levels, pairs, 2]
        with np.errstate(over="ignore"):
            scores = np.stack([activate(level, contract)[:, 0] for level in raw])
        self._scores = scores.reshape(-1)
        self._first = of_anchors(np.arange(len(tables)) * len(codes) ** 2, contract)
        # Of each difference from -255 to 255 the highest and the lowest score.
        self._highest = np.zeros((len(tables), 511), np.float32)
        self._lowest = np.full((len(tables), 511), 2, np.float32)
        for level, of_pairs in enumerate(scores):
            np.maximum.at(self._highest[level], object_ - background + 255, of_pairs)
            np.minimum.at(self._lowest[level], object_ - background + 255, of_pairs)
        count = contract.anchor_count
        self._high, self._low = np.empty(count, PAIR), np.empty(count, PAIR)
        self._difference = self._high.view("<i2")
        self._passed = np.empty(count, np.bool_)

    def reach(self, thresholds: Float) -> None:
        """Take the least score of the class."""
        self._threshold = thresholds[0]
        limits = []
        self._certain = True
        for highest, lowest in zip(self._highest, self._lowest, strict=True):
            reached = highest >= self._threshold
            first = int(reached.argmax()) if reached.any() else len(highest)
            limits.append(first - 255)
            self._certain &= bool((lowest[first:] >= self._threshold).all())
        self._limits = of_anchors(np.asarray(limits, np.int16), self._contract)

    def find(self, scores: npt.NDArray[Any]) -> Found:
        """Return the candidates of codes uint8 [anchors, 2]."""
        pairs = scores.reshape(-1).view(PAIR)
        np.right_shift(pairs, EIGHT, out=self._high)
        np.bitwise_and(pairs, LOW_BYTE, out=self._low)
        np.subtract(self._high, self._low, out=self._high)
        np.greater_equal(self._difference, self._limits, out=self._passed)
        anchors = self._passed.nonzero()[0]
        found = self._scores.take(pairs.take(anchors) + self._first.take(anchors))
        if self._certain:
            return anchors, None, found
        reached = found >= self._threshold
        return anchors[reached], None, found[reached]


class SigmoidCodes(Candidates):
    """Sigmoid: the score of a class is a function of its own code, and rises with it."""

    def __init__(self, contract: DetectorContract, tables: Float) -> None:
        self._contract = contract
        self._scores = activate(tables, contract)  # [levels, 256]
        self._first = of_anchors(np.arange(len(tables)) * 256, contract)
        self._passed = np.empty(contract.anchor_count * len(contract.classes), np.bool_)

    def reach(self, thresholds: Float) -> None:
        """Take the least score of each class."""
        self._thresholds = thresholds
        reached = self._scores[:, None] >= thresholds[:, None]  # [levels, classes, 256]
        # Where nothing reaches it the highest code passes, and falls by its score.
        first = np.where(reached.any(axis=2), reached.argmax(axis=2), 255)
        after = np.arange(256) >= first[..., None]
        self._certain = bool((reached | ~after).all())
        self._limits = of_anchors(first.astype(np.uint8), self._contract).reshape(-1)

    def find(self, scores: npt.NDArray[Any]) -> Found:
        """Return the candidates of codes uint8 [anchors, classes]."""
        codes = scores.reshape(-1)
        np.greater_equal(codes, self._limits, out=self._passed)
        anchors = chosen = self._passed.nonzero()[0]
        labels, thresholds = None, self._thresholds
        if len(thresholds) > 1:
            anchors, labels = np.divmod(chosen, len(thresholds))
            thresholds = thresholds.take(labels)
        found = self._scores.take(codes.take(chosen) + self._first.take(anchors))
        if self._certain:
            return anchors, labels, found
        reached = found >= thresholds
        return anchors[reached], None if labels is None else labels[reached], found[reached]


class SoftmaxCodes(Candidates):
    """Softmax of background and several classes: a bound on codes, then the scores themselves.

    A class needs a code so far above the background's, see `least_logit`, whatever the others
    are. An anchor whose highest class passes is dequantized.
    """

    def __init__(self, contract: DetectorContract, tables: Float, scales: Sequence[float]) -> None:
        self._contract = contract
        self._reals = tables
        self._scales = scales
        self._first = of_anchors(np.arange(len(tables)) * 256, contract)[:, None]
        count, width = contract.anchor_count, contract.scores_per_anchor
        self._highest = WindowMaximum(count, width, np.dtype(np.uint8))
        self._difference = np.empty(count, np.int16)
        self._passed = np.empty(count, np.bool_)

    def reach(self, thresholds: Float) -> None:
        """Take the least score of each class."""
        self._thresholds = thresholds
        bound = least_logit(float(thresholds.min()))
        # A thousandth of a code outweighs the rounding of the dequantized numbers.
        least = [min(max(bound / scale - 1e-3, -255), 256) for scale in self._scales]
        limits = np.asarray([math.ceil(codes) for codes in least], np.int16)
        self._limits = of_anchors(limits, self._contract)

    def find(self, scores: npt.NDArray[Any]) -> Found:
        """Return the candidates of codes uint8 [anchors, 1 + classes]."""
        np.subtract(self._highest(scores), scores[:, 0], out=self._difference, dtype=np.int16)
        np.greater_equal(self._difference, self._limits, out=self._passed)
        anchors = self._passed.nonzero()[0]
        raw = self._reals.take(scores.take(anchors, axis=0) + self._first.take(anchors, axis=0))
        return exact(raw, anchors, self._thresholds, self._contract)
