"""Identities stay with what they were given to, through misses, crossings and shaking cameras."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.runtime.detections import Detections
from hexdet.runtime.stream.tracking import Tracker

Place = tuple[float, float]


def heads(
    *places: Place, side: float = 20, score: float = 0.9, labels: list[int] | None = None
) -> Detections:
    """Return square heads around these centres."""
    centres = np.asarray(places, np.float32).reshape(-1, 2)
    return Detections(
        boxes=np.concatenate([centres - side / 2, centres + side / 2], axis=1),
        scores=np.full(len(places), score, np.float32),
        labels=np.asarray(labels or [1] * len(places), np.int64),
        classes=("head", "person"),
    )


def ids(tracker: Tracker, *places: Place, **how: float) -> list[int]:
    found = tracker.update(heads(*places, **how))  # type: ignore[arg-type]
    assert found.dtype == np.int64
    return found.tolist()


def test_no_detections() -> None:
    tracker = Tracker()
    assert ids(tracker) == []
    assert ids(tracker) == []
    assert ids(tracker, (50, 50)) == [1]


def test_identities_count_from_one_and_follow_the_box_not_the_order() -> None:
    tracker = Tracker()
    assert ids(tracker, (50, 50), (150, 50)) == [1, 2]
    assert ids(tracker, (152, 50), (51, 50)) == [2, 1]


@pytest.mark.parametrize("speed", [0.0, 3.0, 8.0])
@pytest.mark.parametrize("seen_before", [1, 2, 5])
def test_stable_through_one_missed_frame(speed: float, seen_before: int) -> None:
    tracker = Tracker()
    for t in range(seen_before):
        assert ids(tracker, (50 + speed * t, 50), (50 + speed * t, 150)) == [1, 2]
    assert ids(tracker, (50 + speed * seen_before, 150)) == [2]
    t = seen_before + 1
    assert ids(tracker, (50 + speed * t, 50), (50 + speed * t, 150)) == [1, 2]


def test_stable_through_a_frame_without_any_detection() -> None:
    tracker = Tracker()
    assert ids(tracker, (50, 50), (90, 50)) == [1, 2]
    assert ids(tracker) == []
    assert ids(tracker, (50, 50), (90, 50)) == [1, 2]


def test_those_who_cross_keep_their_identities() -> None:
    """Two heads pass through each other; where they meet, only one is seen."""
    tracker = Tracker()
    for t in range(30):
        left, right = (20 + 6.0 * t, 50.0), (200 - 6.0 * t, 54.0)
        meet = abs(left[0] - right[0]) < 10
        found = ids(tracker, *([left] if meet else [left, right]))
        assert found == ([1] if meet else [1, 2]), t


def test_a_shaking_camera_moves_everyone_and_changes_nobody() -> None:
    shake = np.random.default_rng(0).normal(0, 4, (60, 2))
    tracker = Tracker()
    for dx, dy in shake:
        places = [(60 * i + 40 + dx, 50 + dy) for i in range(6)]
        assert ids(tracker, *places) == [1, 2, 3, 4, 5, 6]


def test_a_small_fast_head_that_leaves_no_overlap_is_found_again() -> None:
    tracker = Tracker()
    for t in range(8):
        assert ids(tracker, (50 + 21.0 * t, 50)) == [1]


def test_a_duplicate_box_takes_a_number_of_its_own() -> None:
    tracker = Tracker()
    ids(tracker, (50, 50))
    ids(tracker, (50, 50))
    assert sorted(ids(tracker, (50, 50), (50, 50))) == [1, 2]
    assert 1 in ids(tracker, (50, 50))


def test_birth_and_death() -> None:
    tracker = Tracker(max_missed=2)
    for _ in range(5):
        assert ids(tracker, (50, 50)) == [1]
    for _ in range(2):
        assert ids(tracker, (300, 50)) == [2]
    assert ids(tracker, (50, 50), (300, 50)) == [1, 2]
    for _ in range(3):
        assert ids(tracker, (300, 50)) == [2]
    assert ids(tracker, (50, 50), (300, 50)) == [3, 2]


def test_what_was_seen_once_is_not_waited_for_long() -> None:
    tracker = Tracker(max_missed=30)
    assert ids(tracker, (50, 50)) == [1]
    assert ids(tracker) == ids(tracker) == []
    assert ids(tracker, (50, 50)) == [2]


def test_without_patience_a_miss_ends_the_track() -> None:
    tracker = Tracker(max_missed=0)
    assert ids(tracker, (50, 50)) == ids(tracker, (50, 50)) == [1]
    assert ids(tracker) == []
    assert ids(tracker, (50, 50)) == [2]


def test_patience_is_not_negative() -> None:
    with pytest.raises(ValueError, match="max_missed is -1"):
        Tracker(max_missed=-1)


def test_classes_do_not_mix() -> None:
    tracker = Tracker()
    places = [(50.0, 50.0), (52.0, 50.0)]
    assert tracker.update(heads(*places, labels=[1, 2])).tolist() == [1, 2]
    assert tracker.update(heads(*places, labels=[2, 1])).tolist() == [2, 1]
    assert tracker.update(heads(places[0], labels=[1])).tolist() == [1]


def test_an_unsure_detection_keeps_a_track_alive_but_takes_none_from_a_sure_one() -> None:
    tracker = Tracker(max_missed=1)
    for score in (0.9, 0.9, 0.3, 0.3, 0.3, 0.9):
        assert ids(tracker, (50, 50), score=score) == [1]
    both = heads((53, 50), (50, 50))
    both.scores[:] = 0.6, 0.4
    assert tracker.update(both).tolist() == [1, 2]


def test_a_new_stream_starts_anew() -> None:
    tracker = Tracker()
    ids(tracker, (50, 50), (150, 50))
    tracker.reset()
    assert ids(tracker, (150, 50)) == [1]


@settings(deadline=None, max_examples=60, database=None)
@given(
    frames=st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 80), st.integers(0, 80), st.sampled_from([0.31, 0.6]),
                st.integers(1, 2),
            ),
            max_size=8,
        ),
        max_size=12,
    ),
    max_missed=st.integers(0, 3),
)  # fmt: skip
def test_laws(frames: list[list[tuple[int, int, float, int]]], max_missed: int) -> None:
    """One identity a detection, from 1, unique in a frame, of one class, never used again."""
    tracker = Tracker(max_missed=max_missed)
    last_seen: dict[int, int] = {}
    classes: dict[int, int] = {}
    newest = 0
    for t, frame in enumerate(frames):
        found = heads(*[(x, y) for x, y, _, _ in frame], labels=[label for *_, label in frame])
        found.scores[:] = [score for _, _, score, _ in frame]
        identities = tracker.update(found).tolist()
        assert len(set(identities)) == len(identities) == len(frame)
        for identity, label in zip(identities, found.labels.tolist(), strict=True):
            if identity in last_seen:
                assert t - last_seen[identity] - 1 <= max_missed
            else:
                assert identity > newest
            assert classes.setdefault(identity, label) == label
            last_seen[identity] = t
        newest = max([newest, *identities])
        assert set(range(1, newest + 1)) == set(last_seen)
