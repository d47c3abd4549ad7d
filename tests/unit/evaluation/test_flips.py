"""What was lost, gained or newly wrong between two runs, by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from hexdet.datasets.record import Annotation
from hexdet.evaluation.flips import count_flips, find_flips
from hexdet.evaluation.matches import Matches
from hexdet.runtime.detections import Detections

from .conftest import CLASSES, Match, random_case

LEAST = np.asarray([0.3, 0.5], np.float32)
Row = tuple[int, float, int]
"""The cell, the score and the label of a detection."""


def boxes(cells: Sequence[int]) -> np.ndarray:
    return np.asarray([(40 * i, 0, 40 * i + 20, 20) for i in cells], np.float32).reshape(-1, 4)


def run(match: Match, *rows: Row, objects: Sequence[int] = (0, 1, 2)) -> Matches:
    """Return the matches of one image with an object of the first class in some cells."""
    truth = Annotation(
        boxes=boxes(objects),
        labels=np.ones(len(objects), np.int64),
        ignore=np.zeros(len(objects), np.bool_),
    )
    ordered = sorted(rows, key=lambda row: -row[1])
    found = Detections(
        boxes=boxes([r[0] for r in ordered]),
        scores=np.asarray([r[1] for r in ordered], np.float32),
        labels=np.asarray([r[2] for r in ordered], np.int64),
        classes=CLASSES,
    )
    return match([truth], [found])


def test_nothing_flips_between_equal_runs(match: Match) -> None:
    one = run(match, (0, 0.9, 1), (7, 0.6, 1))
    assert find_flips(one, one, LEAST) == []
    counts = count_flips(one, one, LEAST)
    assert (counts.kept, counts.lost, counts.gained) == (1, 0, 0)
    assert (counts.same_false, counts.new_false, counts.gone_false) == (1, 0, 0)


def test_an_object_whose_score_fell_under_the_threshold_is_lost(match: Match) -> None:
    before, after = run(match, (0, 0.35, 1), (1, 0.9, 1)), run(match, (0, 0.25, 1), (1, 0.9, 1))
    (flip,) = find_flips(before, after, LEAST)
    assert (flip.kind, flip.image, flip.label) == ("lost", 0, 1)
    assert flip.truth == (0, 0, 20, 20)
    assert (flip.reference_score, flip.other_score) == pytest.approx((0.35, 0.25))
    assert flip.change == pytest.approx(0.1)
    counts = count_flips(before, after, LEAST)
    assert (counts.kept, counts.lost, counts.gained) == (1, 1, 0)
    assert count_flips(after, before, LEAST).gained == 1


def test_an_object_that_has_no_detection_any_more_moved_by_its_whole_score(match: Match) -> None:
    (flip,) = find_flips(run(match, (0, 0.8, 1)), run(match), LEAST)
    assert flip.change == pytest.approx(0.8) and flip.other_score == 0


def test_a_false_alarm_is_new_where_the_reference_shows_none(match: Match) -> None:
    before = run(match, (7, 0.2, 1), (8, 0.9, 1))
    after = run(match, (7, 0.4, 1), (8, 0.8, 1), (9, 0.6, 1))
    flips = find_flips(before, after, LEAST)
    assert [(f.kind, f.box[0], round(f.change, 2)) for f in flips] == [
        ("new false alarm", 360.0, 0.6),
        ("new false alarm", 280.0, 0.2),
    ]
    counts = count_flips(before, after, LEAST)
    assert (counts.same_false, counts.new_false, counts.gone_false) == (1, 2, 0)
    assert count_flips(after, before, LEAST).gone_false == 2


def test_each_class_has_its_own_threshold(match: Match) -> None:
    assert find_flips(run(match), run(match, (7, 0.4, 2)), LEAST) == []
    assert len(find_flips(run(match), run(match, (7, 0.4, 1)), LEAST)) == 1


def test_another_class_at_the_same_place_is_another_false_alarm(match: Match) -> None:
    before, after = run(match, (7, 0.9, 1)), run(match, (7, 0.9, 2))
    assert count_flips(before, after, LEAST).new_false == 1


@pytest.mark.parametrize("seed", range(4))
def test_the_counts_are_those_of_the_lists(
    match: Match, random_matches: Callable[[int], Matches], seed: int
) -> None:
    truths, found = random_case(seed)
    _, other = random_case(seed + 100)
    before, after = match(truths, found), match(truths, other)
    counts, flips = count_flips(before, after, LEAST), find_flips(before, after, LEAST)
    assert counts.lost == sum(f.kind == "lost" for f in flips)
    assert counts.new_false == sum(f.kind == "new false alarm" for f in flips)
    changes = [f.change for f in flips]
    assert changes == sorted(changes, reverse=True)
