"""Miss rate over false positives per image, and its log average MR^-2."""

from __future__ import annotations

import numpy as np

from .curves import Double, Ranking

FPPI_POINTS = np.logspace(-2.0, 0.0, 9)
"""Nine false positives per image, evenly spaced in log space: 0.01, 0.018 ... 1."""
CROWDHUMAN_POINTS = np.asarray([0.01, 0.0178, 0.0316, 0.0562, 0.1, 0.1778, 0.3162, 0.5623, 1.0])
"""The same points with the digits that CrowdHuman's evaluation gives them."""
LEAST_MISS = 1e-10
"""What a miss rate of zero counts as, which has no logarithm (`acfTest.m`)."""


def miss_rates(ranking: Ranking, fppi: Double) -> Double:
    """Return the miss rate at each number of false positives per image, 0 to 1.

    That of the last detection at which there are no more; where the curve does not reach so far,
    that of its end; before its first detection, 1. nan without objects or images.
    Source: P. Dollar et al., Pedestrian Detection: An Evaluation of the State of the Art (PAMI
    2012), section 3.1; Piotr's toolbox, which Caltech's evaluation runs on, `bbGt.m`, `compRoc`.
    """
    if not ranking.total:
        return np.full(len(fppi), np.nan)
    reached = np.arange(1, len(ranking.alarms) + 1) / ranking.images
    allowed = np.searchsorted(reached, fppi, side="right")
    hits = np.searchsorted(ranking.starts, allowed, side="right")
    return np.asarray(1 - hits / ranking.total, np.float64)


def log_average(ranking: Ranking) -> float:
    """Return the log-average miss rate MR^-2, 0 to 1: lower is better; nan without objects.

    The geometric mean of the miss rates at FPPI_POINTS, each 1e-10 at least.
    Source: as `miss_rates`; Piotr's toolbox 3.40, `acfTest.m`.
    """
    rates = np.maximum(miss_rates(ranking, FPPI_POINTS), LEAST_MISS)
    return float(np.exp(np.log(rates).mean()))


def log_average_crowdhuman(ranking: Ranking) -> float:
    """Return MR^-2 as CrowdHuman's evaluation reads it off, 0 to 1; nan where nothing was found.

    It takes the first detection with so many false positives per image or more, not the last with
    no more: they differ where the number is met exactly, and hits follow. A miss rate of zero at
    one point makes the whole zero. Source: S. Shao et al., CrowdHuman (arXiv 1805.00123), and the
    evaluation published with it (`eval_MR`).
    """
    if not ranking.total or not len(ranking.hits) + len(ranking.alarms):
        return float("nan")
    reached = np.arange(1, len(ranking.alarms) + 1) / ranking.images
    before = np.searchsorted(reached, CROWDHUMAN_POINTS, side="left")
    hits = np.searchsorted(ranking.starts, before, side="right")
    rates = 1 - hits / ranking.total
    return float(np.exp(np.log(rates).mean())) if (rates > 0).all() else 0.0
