"""The learning rate as a function of the step alone: a resumed run needs no state for it."""

from __future__ import annotations

import math
from typing import Literal


def learning_rate(
    step: int,
    total_steps: int,
    *,
    peak: float,
    warmup: float,
    schedule: Literal["one_cycle", "cosine"],
) -> float:
    """Return the learning rate of a step, 0 to total_steps - 1.

    one_cycle: cosine from peak / 25 up and, after the share `warmup` of the steps, cosine down
        to peak / 10,000 (arXiv 1708.07120, with cosine instead of lines).
    cosine: linear warm-up, then cosine to zero (arXiv 1608.03983 without restarts).
    """
    rising = max(1, round(total_steps * warmup))
    if step < rising:
        done = (step + 1) / rising
        if schedule == "cosine":
            return peak * done
        return _between(peak / 25, peak, done)
    done = (step - rising) / max(1, total_steps - 1 - rising)
    return _between(peak, peak / 10_000 if schedule == "one_cycle" else 0.0, done)


def _between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * min(share, 1.0))) / 2
