"""What finds candidates touches few anchors and misses none."""

from __future__ import annotations

import numpy as np
import pytest

from hexdet.runtime.candidates import WindowMaximum


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("width", [2, 3, 4, 5, 6, 8, 9, 10, 17, 18, 21, 91])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_highest_score_but_the_first(count: int, width: int, kind: type) -> None:
    random = np.random.default_rng(width)
    highest = WindowMaximum(count, width, np.dtype(kind))
    for _ in range(5):
        scores = random.integers(0, 256, (count, width)).astype(kind)
        scores[:, 0] = random.choice([0, 255], count)
        found = highest(scores)
        assert found.dtype == kind
        np.testing.assert_array_equal(found, scores[:, 1:].max(axis=1))
