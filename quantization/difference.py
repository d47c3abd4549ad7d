"""How far a result is from what was expected, as a share of the expected range."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def span(expected: npt.NDArray[Any]) -> float:
    """Return the range of some values, in their own unit; 1 where all are the same."""
    return float(expected.max() - expected.min()) or 1.0


def relative_difference(expected: npt.NDArray[Any], found: npt.NDArray[Any]) -> float:
    """Return the largest difference of two arrays of one shape as a share of `span(expected)`.

    Not a number where one of the values is none: hold it against a limit as `not share <= limit`.
    """
    return float(np.abs(expected - found).max()) / span(expected)
