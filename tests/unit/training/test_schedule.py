"""The learning rate: up, over the peak, down to almost nothing, from the step alone."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.training.schedule import learning_rate

Schedule = Literal["one_cycle", "cosine"]
BOTH: tuple[Schedule, ...] = ("one_cycle", "cosine")
PEAK = 2e-3


def rates(total: int, warmup: float, schedule: Schedule, peak: float = PEAK) -> list[float]:
    return [
        learning_rate(step, total, peak=peak, warmup=warmup, schedule=schedule)
        for step in range(total)
    ]


@pytest.mark.parametrize("schedule", BOTH)
@pytest.mark.parametrize("warmup", [0.0, 0.15, 0.99])
def test_a_single_step_is_taken_at_the_peak(schedule: Schedule, warmup: float) -> None:
    assert rates(1, warmup, schedule) == [PEAK]


@pytest.mark.parametrize(
    ("schedule", "first", "last"),
    [("one_cycle", PEAK / 25, PEAK / 10_000), ("cosine", 0.0, 0.0)],
)
def test_ends_of_a_long_training(schedule: Schedule, first: float, last: float) -> None:
    found = rates(1000, 0.2, schedule)
    assert found[0] == pytest.approx(first, abs=PEAK / 100)
    assert found[0] > 0  # no step is lost
    assert found[-1] == pytest.approx(last, abs=1e-12)


@pytest.mark.parametrize("schedule", BOTH)
@pytest.mark.parametrize(("total", "warmup"), [(100, 0.0), (100, 0.15), (1000, 0.5), (7, 0.3)])
def test_rises_through_the_warm_up_and_falls_after_it(
    schedule: Schedule, total: int, warmup: float
) -> None:
    found = rates(total, warmup, schedule)
    rising = max(1, round(total * warmup))
    assert found[rising - 1] == pytest.approx(PEAK)
    assert all(a < b for a, b in pairwise(found[:rising]))
    assert all(a > b for a, b in pairwise(found[rising:]))


def test_the_warm_ups_have_their_own_shapes() -> None:
    line, curve = (rates(1000, 0.5, schedule)[:500] for schedule in ("cosine", "one_cycle"))
    assert line[249] == pytest.approx(PEAK / 2)
    assert curve[249] == pytest.approx((PEAK + PEAK / 25) / 2)
    assert line[99] == pytest.approx(PEAK / 5)
    assert curve[99] < 0.8 * line[99]  # slow at first


def test_the_fall_is_half_a_cosine() -> None:
    found = rates(101, 0.0, "cosine")[1:]
    assert found[0] == pytest.approx(PEAK)
    assert found[33] == pytest.approx(PEAK * 0.75, rel=2e-3)
    assert found[66] == pytest.approx(PEAK * 0.25, rel=2e-3)


@settings(deadline=None)
@given(
    total=st.integers(1, 400),
    warmup=st.floats(0, 0.99),
    schedule=st.sampled_from(BOTH),
    peak=st.floats(1e-6, 10),
)
def test_never_above_the_peak_nor_below_nothing(
    total: int, warmup: float, schedule: Schedule, peak: float
) -> None:
    found = rates(total, warmup, schedule, peak)
    assert max(found) == pytest.approx(peak)
    assert min(found) >= 0
    if max(1, round(total * warmup)) <= total - 2:  # at least two steps come after the warm-up
        assert found[-1] <= peak / 10_000 * (1 + 1e-9)
