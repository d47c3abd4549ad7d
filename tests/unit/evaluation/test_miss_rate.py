"""The miss rate against plain readings of the Caltech toolbox and of CrowdHuman's evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.datasets.record import Annotation
from hexdet.evaluation.curves import Ranking
from hexdet.evaluation.miss_rate import (
    FPPI_POINTS,
    log_average,
    log_average_crowdhuman,
    miss_rates,
)
from hexdet.runtime.detections import Detections

from .conftest import CLASSES, grid_case, made, random_case, ranking_of

Case = tuple[list[Annotation], list[Detections]]
Judged = list[tuple[float, int]]
"""By falling score: the score, and 1 for a hit, 0 for a false alarm."""


def judge(
    truths: list[Annotation],
    found: list[Detections],
    label: int,
    judge_image: Callable[[list[list[float]], list[tuple[list[float], bool]]], list[int]],
) -> tuple[Judged, int]:
    """Return what an official tool makes of each detection, and the number of objects."""
    rows: Judged = []
    objects = 0
    for truth, detections in zip(truths, found, strict=True):
        boxes = [
            (box.tolist(), bool(ignore))
            for box, of, ignore in zip(truth.boxes, truth.labels, truth.ignore, strict=True)
            if of == label
        ]
        objects += sum(not ignore for _, ignore in boxes)
        boxes.sort(key=lambda row: row[1])  # the ignored last
        mine = detections[detections.labels == label]
        verdicts = judge_image(mine.boxes.tolist(), boxes)
        rows += [(float(s), v) for s, v in zip(mine.scores, verdicts, strict=True) if v != -1]
    return sorted(rows, key=lambda row: -row[0]), objects


def common(a: Sequence[float], b: Sequence[float]) -> float:
    return max(min(a[2], b[2]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[1], b[1]), 0)


def size(a: Sequence[float]) -> float:
    return (a[2] - a[0]) * (a[3] - a[1])


def caltech(found: list[list[float]], boxes: list[tuple[list[float], bool]]) -> list[int]:
    """Judge one image as bbGt.m, evalRes, does: 1 hit, 0 false alarm, -1 ignored."""
    matched = [False] * len(boxes)
    verdicts = []
    for box in found:
        best, which, kind = 0.5, -1, 0
        for at, (other, ignore) in enumerate(boxes):
            if matched[at]:
                continue
            if kind != 0 and ignore:
                break
            inside = common(box, other)
            overlap = inside / (size(box) if ignore else size(box) + size(other) - inside)
            if overlap < best:
                continue
            best, which, kind = overlap, at, -1 if ignore else 1
        if kind == 1:
            matched[which] = True
        verdicts.append(kind)
    return verdicts


def crowdhuman(found: list[list[float]], boxes: list[tuple[list[float], bool]]) -> list[int]:
    """Judge one image as CrowdHuman's compare_caltech does; it wants more than the threshold."""
    matched = [False] * len(boxes)
    verdicts = []
    for box in found:
        best, which = 0.5, -1
        for at, (other, ignore) in enumerate(boxes):
            if matched[at]:
                continue
            inside = common(box, other)
            if not ignore:
                overlap = inside / (size(box) + size(other) - inside)
                if overlap > best:
                    best, which = overlap, at
            elif which >= 0:
                break
            elif inside / size(box) > 0.5:
                which = at
        verdicts.append(0 if which < 0 else -1 if boxes[which][1] else 1)
        if verdicts[-1] == 1:
            matched[which] = True
    return verdicts


def caltech_rates(rows: Judged, objects: int, images: int) -> list[float]:
    """Read the miss rates off as bbGt.m, compRoc, does."""
    xs, ys = [-math.inf], [0.0]
    hits = alarms = 0
    for _, verdict in rows:
        hits, alarms = hits + verdict, alarms + 1 - verdict
        xs.append(alarms / images)
        ys.append(hits / objects)
    rates = []
    for power in range(-8, 1):
        at = max(i for i, x in enumerate(xs) if x <= 10 ** (power / 4))
        rates.append(1 - ys[at])
    return rates


def crowdhuman_average(rows: Judged, objects: int, images: int) -> float:
    """Return what CrowdHuman's eval_MR makes of the rows."""
    points = [0.0100, 0.0178, 0.03160, 0.0562, 0.1000, 0.1778, 0.3162, 0.5623, 1.000]
    xs, ys = [], []
    hits = alarms = 0
    for _, verdict in rows:
        hits, alarms = hits + verdict, alarms + 1 - verdict
        xs.append(alarms / images)
        ys.append(1 - hits / objects)
    rates = [ys[next((i for i, x in enumerate(xs) if x >= point), len(xs) - 1)] for point in points]
    if min(rates) <= 0:
        return 0.0
    return math.exp(sum(math.log(rate) for rate in rates) / len(rates))


@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 5), crowd=st.integers(0, 12))
@settings(deadline=None, max_examples=80)
def test_it_is_the_caltech_toolboxs(seed: int, images: int, crowd: int) -> None:
    truths, found = grid_case(seed, images=images, crowd=crowd)
    for label in range(1, len(CLASSES) + 1):
        ranking = ranking_of(truths, found, label)
        rows, objects = judge(truths, found, label, caltech)
        if not objects:
            assert math.isnan(log_average(ranking))
            continue
        expected = caltech_rates(rows, objects, images)
        assert miss_rates(ranking, FPPI_POINTS).tolist() == pytest.approx(expected)
        floored = [math.log(max(rate, 1e-10)) for rate in expected]
        assert log_average(ranking) == pytest.approx(math.exp(sum(floored) / 9))


@given(seed=st.integers(0, 2**32 - 1), images=st.integers(1, 120))
@settings(deadline=None, max_examples=25)
def test_it_is_crowdhumans(seed: int, images: int) -> None:
    # No overlap is exactly 0.5 here: CrowdHuman wants more, Caltech and COCO as much.
    truths, found = random_case(seed, images=images)
    rows, objects = judge(truths, found, 1, crowdhuman)
    value = log_average_crowdhuman(ranking_of(truths, found))
    if not objects or not rows:
        assert math.isnan(value)
    else:
        assert value == pytest.approx(crowdhuman_average(rows, objects, images))


def test_the_nine_points_are_evenly_spaced_in_log_space() -> None:
    assert FPPI_POINTS[[0, 4, 8]].tolist() == [0.01, 0.1, 1.0]
    steps = np.diff(np.log10(FPPI_POINTS))
    np.testing.assert_allclose(steps, 0.25)


TABLE = [
    ("no image", made([], [], images=0, objects=0), [math.nan] * 3, math.nan),
    ("no object", made([], [0.5], objects=0), [math.nan] * 3, math.nan),
    ("no detection", made([], []), [1, 1, 1], 1.0),
    ("all at once", made([0.9] * 4, []), [0, 0, 0], 1e-10),
    ("only false", made([], [0.9] * 3), [1, 1, 1], 1.0),
    # One false alarm among 100 images is 0.01: the hit behind it still counts there.
    ("met exactly", made([0.8, 0.6], [0.7]), [0.5, 0.5, 0.5], 0.5),
    ("met late", made([0.8, 0.5], [0.7, 0.6]), [0.75, 0.5, 0.5], (0.75**2 * 0.5**7) ** (1 / 9)),
    # The curve ends at 0.02: from there on its last value counts.
    ("ends early", made([0.8, 0.6, 0.4], [0.7, 0.5]), [0.5, 0.25, 0.25], None),
    ("begins late", made([0.1], [0.9] * 20), [1, 1, 0.75], None),
]


@pytest.mark.parametrize(
    ("ranking", "rates", "average"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_table(ranking: Ranking, rates: list[float], average: float | None) -> None:
    values = miss_rates(ranking, np.asarray([0.01, 0.1, 1.0]))
    assert values.tolist() == pytest.approx(rates, nan_ok=True)
    if average is not None:
        assert log_average(ranking) == pytest.approx(average, nan_ok=True)


def test_caltech_and_crowdhuman_differ_where_a_point_is_met_exactly() -> None:
    ranking = made([0.8, 0.6], [0.7, 0.5])
    assert log_average(ranking) == pytest.approx(0.5)
    assert log_average_crowdhuman(ranking) == pytest.approx((0.75 * 0.5**8) ** (1 / 9))
    assert log_average_crowdhuman(made([0.9] * 4, [])) == 0
    assert math.isnan(log_average_crowdhuman(made([], [])))
