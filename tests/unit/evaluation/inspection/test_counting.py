"""An inspection counts what can be learnt, at the network's scale, and lists what is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hexdet.datasets.faults import Faults
from hexdet.datasets.record import Dropped
from hexdet.evaluation.inspection.counting import Subject, inspect_dataset
from hexdet.evaluation.inspection.looking import near_duplicates, touching_edge
from hexdet.evaluation.inspection.schema import Inspection
from hexdet.runtime.contract import InputSpec

from .conftest import Box, Pictures, truth_of

SQUARE = InputSpec(width=200, height=200)


def run(
    pictures: Pictures,
    spec: InputSpec = SQUARE,
    faults: Faults | None = None,
    limit: int | None = None,
) -> Inspection:
    subject = Subject(recipe="r", format="voc", split="train", input=spec)
    found, looks = inspect_dataset(pictures, subject, faults or Faults(keep=True), limit)
    assert [look.name for look in looks] == [shown.image for shown in found.sheet]
    return found


@pytest.mark.parametrize(
    ("boxes", "labels", "pairs"),
    [
        ([], [], []),
        ([(0, 0, 10, 10)], [1], []),
        ([(0, 0, 10, 10)] * 2, [1, 1], [(0, 1)]),
        ([(0, 0, 10, 10)] * 2, [1, 2], []),
        ([(0, 0, 10, 10)] * 3, [1, 1, 1], [(0, 1), (0, 2), (1, 2)]),
        ([(0, 0, 10, 10), (0, 0, 10, 8.5)], [1, 1], []),  # exactly 0.85
        ([(0, 0, 10, 10), (0, 0, 10, 8.6)], [1, 1], [(0, 1)]),
    ],
)
def test_near_duplicates(
    boxes: Sequence[Box], labels: list[int], pairs: list[tuple[int, int]]
) -> None:
    found = near_duplicates(truth_of(boxes, labels))
    assert [(a, b) for a, b, _ in found] == pairs
    assert all(overlap > 0.85 for _, _, overlap in found)


@pytest.mark.parametrize(
    ("box", "touches"),
    [
        ((0, 5, 10, 10), True),
        ((5, 0, 10, 10), True),
        ((5, 5, 100, 10), True),
        ((5, 5, 10, 50), True),
        ((1, 1, 99, 49), False),
        ((0.4, 5, 10, 10), True),
        ((5, 5, 99.4, 10), False),
        ((5, 5, 99.6, 10), True),
    ],
)
def test_a_box_touches_the_edge_to_half_a_pixel(box: Box, touches: bool) -> None:
    assert touching_edge(truth_of([box]), 100, 50) == touches
    assert touching_edge(truth_of([]), 100, 50) == 0


def test_objects_are_counted_and_what_is_to_be_ignored_apart() -> None:
    first = truth_of([(0, 0, 20, 20), (30, 10, 50, 30), (60, 5, 70, 10)], [1, 2, 1], [0, 0, 1])
    found = run(Pictures([first, truth_of([]), truth_of([(5, 5, 9, 9)], [2])], ("head", "person")))
    assert (found.images, found.objects, found.ignored, found.empty) == (3, 3, 1, 1)
    assert [(c.name, c.objects, c.ignored, c.images) for c in found.classes] == [
        ("head", 1, 1, 1),
        ("person", 2, 0, 2),
    ]
    assert found.touching_edge == 1
    assert found.boxes_per_image.counts["all"] == [1, 1, 0, 1]
    assert found.boxes_per_image.edges == [0, 1, 2, 3, 4]
    assert found.defects == []
    assert [(s.width, s.height, s.images) for s in found.image_sizes] == [(100, 50, 3)]


@pytest.mark.parametrize(
    ("spec", "size", "ratio"),
    [
        (SQUARE, (20 * 40) ** 0.5, 2.0),  # 100 x 50 stretched to 200 x 200: twice, four times
        (InputSpec(width=200, height=200, fit="letterbox"), 20.0, 1.0),
        (InputSpec(width=100, height=50), 10.0, 1.0),
    ],
    ids=["stretch", "letterbox", "as it is"],
)
def test_sizes_are_those_that_the_network_sees(spec: InputSpec, size: float, ratio: float) -> None:
    found = run(Pictures([truth_of([(20, 20, 30, 30)])]), spec)
    assert found.size_quantiles["50"] == pytest.approx(size, rel=1e-6)
    for histogram, value in ((found.sizes, size), (found.ratios, ratio)):
        place = int(np.searchsorted(histogram.edges, value * 1.0001, side="right")) - 1
        assert histogram.counts["head"][place] == 1
        assert sum(histogram.counts["head"]) == 1


@given(
    st.lists(
        st.tuples(
            st.floats(0, 98), st.floats(0, 48), st.floats(0.01, 100), st.floats(0.01, 50),
            st.booleans(),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_every_object_is_in_one_bin_or_beyond_the_borders(
    rows: list[tuple[float, float, float, float, bool]],
) -> None:
    boxes = [(x, y, min(100.0, x + w), min(50.0, y + h)) for x, y, w, h, _ in rows]
    found = run(Pictures([truth_of(boxes, None, [row[4] for row in rows])]))
    learnt = sum(not row[4] for row in rows)
    assert found.objects == learnt
    for histogram in (found.sizes, found.ratios):
        assert sum(histogram.counts["head"]) + histogram.below + histogram.above == learnt
    assert sum(found.boxes_per_image.counts["all"]) == 1


def test_a_box_as_large_as_the_input_is_in_the_last_bin() -> None:
    found = run(Pictures([truth_of([(0, 0, 100, 50)])]), InputSpec(width=256, height=256))
    assert found.sizes.counts["head"][-1] == 1
    assert (found.sizes.below, found.sizes.above) == (0, 0)


def test_what_is_wrong_is_listed_and_the_rest_is_counted() -> None:
    twice = truth_of([(10, 10, 30, 30), (10, 10, 30, 30.5)])
    pictures = Pictures([twice, None, truth_of([])], ("head", "hat"))
    pictures.dropped = [
        Dropped(image="p2", reason="zero area", detail="head (1, 1, 1, 1)"),
        Dropped(image="p0", reason="unknown class", detail="cat (7 objects in 3 images)"),
    ]
    faults = Faults(keep=True)
    faults.add("p2", "unreadable annotation", "p2.txt, line 3")
    found = run(pictures, faults=faults)
    assert [(d.kind, d.image) for d in found.defects] == [
        ("unreadable annotation", "p2"),
        ("zero area", "p2"),
        ("near-duplicate", "p0"),
        ("unreadable image", "1"),
        ("class without objects", ""),
        ("unknown class", "p0"),
    ]
    assert found.defects[2].detail.startswith("head (10.0, 10.0, 30.0, 30.0) and")
    assert sum(found.defect_counts.values()) == len(found.defects)
    assert (found.images, found.unreadable, found.objects) == (3, 1, 2)


def test_a_limit_looks_at_the_first_images_and_lists_their_defects_alone() -> None:
    pictures = Pictures([truth_of([(5, 5, 9, 9)])] * 5)
    pictures.dropped = [Dropped(image=f"p{i}", reason="zero area", detail="head") for i in (0, 4)]
    found = run(pictures, limit=2)
    assert (found.images, found.images_available, found.objects) == (2, 5, 2)
    assert [d.image for d in found.defects] == ["p0"]


def test_a_dataset_without_a_usable_image_is_inspected() -> None:
    found = run(Pictures([None, None]))
    assert (found.unreadable, found.objects, found.empty) == (2, 0, 0)
    assert found.defect_counts == {"unreadable image": 2, "class without objects": 1}
    assert found.size_quantiles == {}
    assert found.sheet == []
