"""The miss rate against plain readings of the Caltech toolbox and of CrowdHuman's evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.datasets.record import Annotation
from hexdet.evaluation.curves import Ranking, rank
from hexdet.evaluation.matching import match_coco, overlaps_of
from hexdet.evaluation.miss_rate import (
    FPPI_POINTS,
    at_fppi,
    at_score,
    log_average,
    log_average_crowdhuman,
    miss_rates,
)
from hexdet.runtime.detections import Detections

from .conftest import CLASSES, grid_case, random_case

Case = tuple[list[Annotation], list[Detections]]
Judged = list[tuple[float, int]]
"""By falling score: the score, and 1 for a hit, 0 for a false alarm."""


def ranking_of(truths: list[Annotation], found: list[Detections], label: int = 1) -> Ranking:
    return rank(match_coco(overlaps_of(truths, found)), label)


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


def made(
    hits: Sequence[float], alarms: Sequence[float], *, images: int = 100, objects: int = 4
) -> Ranking:
    """Return the ranking of some scores; of equal ones the hits come first."""
    counts = np.zeros(images, np.int64)
    counts[: min(images, 1)] = objects
    above = [sum(alarm > hit for alarm in alarms) for hit in sorted(hits, reverse=True)]
    return Ranking(
        objects=counts,
        hits=np.zeros(len(hits), np.int64),
        alarms=np.zeros(len(alarms), np.int64),
        starts=np.asarray(above, np.int64),
        hit_scores=np.asarray(sorted(hits, reverse=True), np.float32),
        alarm_scores=np.asarray(sorted(alarms, reverse=True), np.float32),
    )


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


def test_an_ignored_region_absorbs_every_detection_inside_it() -> None:
    truth = Annotation(
        boxes=np.asarray([[0, 0, 200, 200], [300, 0, 340, 40]], np.float32),
        labels=np.ones(2, np.int64),
        ignore=np.asarray([True, False]),
    )
    inside = [[10.0 * i, 10, 10 * i + 30, 60] for i in range(12)]
    found = Detections(
        boxes=np.asarray([*inside, [300, 0, 340, 40], [500, 0, 540, 40]], np.float32),
        scores=np.linspace(0.9, 0.3, 14).astype(np.float32),
        labels=np.ones(14, np.int64),
        classes=CLASSES,
    )
    point = at_score(ranking_of([truth], [found]), 0.0)
    assert (point.hits, point.false_alarms, point.objects) == (1, 1, 1)


@pytest.mark.parametrize(
    ("score", "hits", "alarms", "miss", "precision"),
    [
        (0.0, 3, 2, 0.25, 0.6),
        (0.5, 3, 1, 0.25, 0.75),
        (0.7, 1, 1, 0.75, 0.5),
        (0.95, 0, 0, 1, None),
    ],
)
def test_a_score_threshold_is_an_operating_point(
    score: float, hits: int, alarms: int, miss: float, precision: float | None
) -> None:
    point = at_score(made([0.9, 0.6, 0.5], [0.7, 0.4]), score)
    assert (point.score, point.hits, point.false_alarms, point.objects) == (score, hits, alarms, 4)
    assert point.miss_rate == pytest.approx(miss)
    assert point.fppi == pytest.approx(alarms / 100)
    assert point.precision == pytest.approx(
        math.nan if precision is None else precision, nan_ok=True
    )


def test_a_threshold_of_a_tenth_shows_what_scores_a_tenth() -> None:
    """In float64 the float32 nearest to 0.1 lies above 0.1, that of 0.7 below 0.7."""
    for score in (0.1, 0.7):
        assert at_score(made([score], []), score).hits == 1


@pytest.mark.parametrize(
    ("fppi", "score", "hits", "alarms"),
    [(0.0, 0.8, 1, 0), (0.005, 0.8, 1, 0), (0.01, 0.6, 2, 1), (0.02, 0.4, 3, 2), (1.0, 0.4, 3, 2)],
)
def test_a_number_of_false_positives_has_its_lowest_threshold(
    fppi: float, score: float, hits: int, alarms: int
) -> None:
    point = at_fppi(made([0.8, 0.6, 0.4], [0.7, 0.5]), fppi)
    assert point.score == pytest.approx(score)
    assert (point.hits, point.false_alarms) == (hits, alarms)
    assert point.fppi <= max(fppi, 0)


def test_equal_scores_are_shown_together_or_not_at_all() -> None:
    # At 0.02 both alarms of 0.5 would be allowed, at 0.01 none of them, nor the hit beside them.
    ranking = made([0.9, 0.5], [0.5, 0.5])
    assert at_fppi(ranking, 0.01).hits == 1
    assert at_fppi(ranking, 0.02).hits == 2


@pytest.mark.parametrize(
    "ranking", [made([], []), made([], [], images=0, objects=0), made([0.9], [0.9])]
)
def test_where_no_threshold_will_do_there_is_none(ranking: Ranking) -> None:
    point = at_fppi(ranking, 0.001)
    assert point.score is None and (point.hits, point.false_alarms) == (0, 0)


@given(seed=st.integers(0, 2**32 - 1), fppi=st.floats(0.0, 5.0))
@settings(deadline=None, max_examples=40)
def test_no_lower_threshold_keeps_the_false_positives(seed: int, fppi: float) -> None:
    ranking = ranking_of(*grid_case(seed, images=4))
    point = at_fppi(ranking, fppi)
    scores = np.unique(np.concatenate([ranking.hit_scores, ranking.alarm_scores]))
    allowed = [float(s) for s in scores if at_score(ranking, float(s)).fppi <= fppi]
    assert point.score == (min(allowed) if allowed else None)
