"""What the progress line says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hexdet.runtime.stream.frames import FrameResult
from hexdet.runtime.stream.meter import Meter


def test_nothing_is_counted_where_nothing_came() -> None:
    meter = Meter()
    assert (meter.frames, meter.detections, meter.lost) == (0, 0, 0)
    assert meter.lately().fps == meter.overall().fps == 0


def test_rates_are_of_lately_and_of_all(make_result: Callable[..., FrameResult]) -> None:
    now = [100.0]
    meter = Meter(clock=lambda: now[0])
    for index in range(10):  # one a second, then ten a second
        now[0] += 1
        meter.add(make_result(index, net_ms=20.0))
    for index in range(12, 72):
        now[0] += 0.1
        meter.add(make_result(index, count=2, net_ms=5.0))
    assert (meter.frames, meter.detections, meter.lost) == (70, 130, 2)
    lately, overall = meter.lately(), meter.overall()
    assert lately.fps == pytest.approx(10)
    assert (lately.pre_ms, lately.net_ms, lately.post_ms) == (2, 5, 4)
    assert overall.fps == pytest.approx(70 / 16)
    assert overall.net_ms == pytest.approx((10 * 20 + 60 * 5) / 70)
