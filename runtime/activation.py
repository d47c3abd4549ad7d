"""From raw scores to probabilities, and what a probability says about the raw scores behind it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from .contract import DetectorContract

Float = npt.NDArray[np.float32]

SLACK = 1e-4
"""Share of a threshold by which `least_logit` stays below it: float32 errs by less than 1e-5."""
TINY = 1e-30
"""Below it float32's exp runs out of digits, and no bound is drawn."""


def activate(scores: Float, contract: DetectorContract) -> Float:
    """Return the probability of every class, float32 [anchors, classes], without the background.

    scores: raw, float32 [anchors, scores_per_anchor], finite.
    """
    if contract.activation == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-np.clip(scores, -80, 80))), np.float32)
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray((shifted / shifted.sum(axis=1, keepdims=True))[:, 1:], np.float32)


def least_logit(threshold: float) -> float:
    """Return a number that no logit lies below whose score reaches the threshold.

    The logit is a sigmoid's own input or, with softmax, a class's score less the background's:
    p_c = e^c / (e^0 + ... + e^c + ...) <= e^c / (e^0 + e^c), with any number of classes. It is a
    bound, a hair too low on purpose: what passes must still be compared by its score.
    """
    if not threshold <= 1:  # also not a number: no score reaches it
        return math.inf
    share = threshold * (1 - SLACK)
    return -math.inf if share < TINY else math.log(share / (1 - share))
