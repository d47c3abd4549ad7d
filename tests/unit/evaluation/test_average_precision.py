"""Average precision: its extremes, a case by hand, and a second implementation."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.datasets.record import Annotation
from hexdet.evaluation.average_precision import MAX_DETECTIONS, score_detections
from hexdet.runtime.detections import Detections

Box = tuple[float, float, float, float]
HEAD = ("head",)
TWO = ("head", "person")


def truth(*boxes: Box, labels: Sequence[int] = (), ignore: Sequence[bool] = ()) -> Annotation:
    return Annotation(
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        labels=np.asarray(labels or [1] * len(boxes), np.int64),
        ignore=np.asarray(ignore or [False] * len(boxes), np.bool_),
    )


def found(
    *boxes: Box,
    scores: Sequence[float] = (),
    labels: Sequence[int] = (),
    classes: tuple[str, ...] = HEAD,
) -> Detections:
    return Detections(
        boxes=np.asarray(boxes, np.float32).reshape(-1, 4),
        scores=np.asarray(scores or [0.9] * len(boxes), np.float32),
        labels=np.asarray(labels or [1] * len(boxes), np.int64),
        classes=classes,
    )


def cell(index: int, size: float = 20.0) -> Box:
    """The box of a cell in a row of cells that do not touch."""
    return (40.0 * index, 10.0, 40.0 * index + size, 10.0 + size)


@pytest.mark.parametrize(
    ("truths", "detections", "images"),
    [
        ([], [], 0),
        ([truth()], [found()], 1),
        ([truth()], [found(cell(0))], 1),
        ([truth(cell(0), ignore=[True])], [found(cell(0))], 1),
    ],
    ids=["no image", "no box", "a false alarm", "only an ignored box"],
)
def test_without_objects_it_is_nan(
    truths: list[Annotation], detections: list[Detections], images: int
) -> None:
    accuracy = score_detections(truths, detections, HEAD)
    assert math.isnan(accuracy.ap50)
    assert math.isnan(accuracy.ap)
    assert math.isnan(accuracy.per_class_ap50["head"])
    assert (accuracy.images, accuracy.objects) == (images, 0)


def test_perfect_detections_have_1() -> None:
    truths = [truth(cell(0), cell(1)), truth(), truth(cell(3))]
    detections = [found(cell(1), cell(0), scores=[0.5, 0.4]), found(), found(cell(3))]
    accuracy = score_detections(truths, detections, HEAD)
    assert accuracy.ap50 == pytest.approx(1)
    assert accuracy.ap == pytest.approx(1)
    assert (accuracy.images, accuracy.objects) == (3, 3)


def test_no_detection_has_0() -> None:
    accuracy = score_detections([truth(cell(0))], [found()], HEAD)
    assert (accuracy.ap50, accuracy.ap) == (0, 0)


def test_detections_at_wrong_places_have_0() -> None:
    accuracy = score_detections([truth(cell(0))], [found(cell(5), cell(6))], HEAD)
    assert (accuracy.ap50, accuracy.ap) == (0, 0)


def test_a_detection_in_another_image_is_no_hit() -> None:
    accuracy = score_detections([truth(cell(0)), truth()], [found(), found(cell(0))], HEAD)
    assert accuracy.ap50 == 0


def test_one_of_two_found_is_half_the_recall() -> None:
    # Precision 1 at the recalls 0, 0.01 ... 0.5: 51 of 101 points.
    accuracy = score_detections([truth(cell(0), cell(1))], [found(cell(0))], HEAD)
    assert accuracy.ap50 == pytest.approx(51 / 101)


def test_a_case_by_hand() -> None:
    # By score: hit, false alarm, hit, false alarm, hit; one of four objects is missed.
    # Precision 1, 1/2, 2/3, 1/2, 3/5 at recall 1/4, 1/4, 1/2, 1/2, 3/4; from the right, the best:
    # 1 to recall 0.25 (26 points), 2/3 to 0.5 (25), 3/5 to 0.75 (25), then 0.
    truths = [truth(cell(0), cell(1)), truth(cell(2), cell(3))]
    detections = [
        found(cell(0), cell(8), cell(1), scores=[0.9, 0.8, 0.7]),
        found(cell(9), cell(2), scores=[0.6, 0.5]),
    ]
    accuracy = score_detections(truths, detections, HEAD)
    assert accuracy.ap50 == pytest.approx((26 * 1 + 25 * 2 / 3 + 25 * 3 / 5) / 101)
    assert accuracy.ap == pytest.approx(accuracy.ap50)
    assert (accuracy.images, accuracy.objects) == (2, 4)


def test_a_second_detection_of_the_same_object_is_a_false_alarm() -> None:
    truths = [truth(cell(0), cell(1))]
    twice = found(cell(0), cell(0), cell(1), scores=[0.9, 0.8, 0.7])
    accuracy = score_detections(truths, [twice], HEAD)
    assert accuracy.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)


@pytest.mark.parametrize(
    ("share", "ap50", "ap"), [(1.0, 1, 1), (0.79, 1, 0.6), (0.51, 1, 0.1), (0.49, 0, 0)]
)
def test_ap_is_the_mean_over_the_ious_from_50_to_95(share: float, ap50: float, ap: float) -> None:
    x1, y1, x2, y2 = cell(0)
    part = (x1, y1, x1 + share * (x2 - x1), y2)  # its IoU with the whole is its share
    accuracy = score_detections([truth(cell(0))], [found(part)], HEAD)
    assert accuracy.ap50 == pytest.approx(ap50)
    assert accuracy.ap == pytest.approx(ap)


def test_an_ignored_box_is_no_miss() -> None:
    truths = [truth(cell(0), cell(1), ignore=[False, True])]
    accuracy = score_detections(truths, [found(cell(0))], HEAD)
    assert accuracy.ap50 == pytest.approx(1)
    assert accuracy.objects == 1


def test_detections_on_an_ignored_box_are_neither_hits_nor_false_alarms() -> None:
    truths = [truth(cell(0), cell(1), ignore=[False, True])]
    # Three on the ignored box, before the hit: as false alarms they would make it 1 / 4.
    many = found(cell(1), cell(1), cell(1), cell(0), scores=[0.9, 0.8, 0.7, 0.1])
    assert score_detections(truths, [many], HEAD).ap50 == pytest.approx(1)
    only = found(cell(1))
    assert score_detections(truths, [only], HEAD).ap50 == 0


def test_a_small_detection_inside_an_ignored_region_is_no_false_alarm() -> None:
    truths = [truth(cell(0), (200, 0, 400, 200), ignore=[False, True])]
    inside = found((250, 50, 260, 60), cell(0), scores=[0.9, 0.5])
    assert score_detections(truths, [inside], HEAD).ap50 == pytest.approx(1)


def test_each_class_has_its_own_and_the_mean_is_of_both() -> None:
    truths = [truth(cell(0), cell(1), cell(2), labels=[1, 2, 2])]
    detections = [found(cell(0), cell(1), labels=[1, 2], classes=TWO)]
    accuracy = score_detections(truths, detections, TWO)
    assert accuracy.per_class_ap50 == pytest.approx({"head": 1, "person": 51 / 101})
    assert accuracy.per_class_ap == pytest.approx({"head": 1, "person": 51 / 101})
    assert accuracy.ap50 == pytest.approx((1 + 51 / 101) / 2)
    assert accuracy.objects == 3


def test_the_right_place_with_the_wrong_class_is_no_hit() -> None:
    truths = [truth(cell(0), cell(1), labels=[1, 2])]
    detections = [found(cell(0), cell(1), labels=[2, 1], classes=TWO)]
    assert score_detections(truths, detections, TWO).ap50 == 0


def test_a_class_without_objects_is_nan_and_not_in_the_mean() -> None:
    detections = [found(cell(0), cell(5), labels=[1, 2], classes=TWO)]
    accuracy = score_detections([truth(cell(0))], detections, TWO)
    assert accuracy.ap50 == pytest.approx(1)
    assert accuracy.ap == pytest.approx(1)
    assert math.isnan(accuracy.per_class_ap50["person"])


def test_a_crowd_of_more_than_100_is_scored_whole() -> None:
    boxes = [cell(i) for i in range(MAX_DETECTIONS)]
    scores = list(np.linspace(0.9, 0.1, len(boxes)))
    crowd = found(*boxes, scores=scores)
    assert score_detections([truth(*boxes)], [crowd], HEAD).ap50 == pytest.approx(1)


def test_an_image_without_its_detections_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(AssertionError, match="an image"):
        score_detections([truth(cell(0)), truth()], [found()], HEAD)


def test_scoring_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    score_detections([truth(cell(0))], [found(cell(0))], HEAD)
    score_detections([truth(cell(0))], [found()], HEAD)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def reference(truths: list[Annotation], detections: list[Detections], at: float) -> float:
    """AP of one class at one IoU, 101 points, greedy matching by score; no ignored boxes."""
    rows = sorted(
        (
            (-float(score), image, order)
            for image, d in enumerate(detections)
            for order, score in enumerate(d.scores)
        )
    )
    taken = [[False] * len(t) for t in truths]
    hits = []
    for _, image, order in rows:
        best, which = at - 1e-10, None
        for index, box in enumerate(truths[image].boxes.tolist()):
            value = overlap(detections[image].boxes[order].tolist(), box)
            if not taken[image][index] and value >= best:
                best, which = value, index
        if which is not None:
            taken[image][which] = True
        hits.append(which is not None)
    objects = sum(len(t) for t in truths)
    curve = [(sum(hits[: i + 1]) / objects, sum(hits[: i + 1]) / (i + 1)) for i in range(len(hits))]
    points = [
        max((precision for recall, precision in curve if recall >= point), default=0)
        # COCO's own points, to the last bit: a recall of 7 / 10 is just below its 0.7.
        for point in np.linspace(0, 1, 101).tolist()
    ]
    return sum(points) / 101


def overlap(a: list[float], b: list[float]) -> float:
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)


def random_boxes(random: np.random.Generator, count: int) -> npt.NDArray[np.float32]:
    corner = random.uniform(0, 60, (count, 2))
    return np.concatenate([corner, corner + random.uniform(8, 40, (count, 2))], 1).astype(
        np.float32
    )


@settings(deadline=None, max_examples=40, database=None)
@given(seed=st.integers(0, 2**31), images=st.integers(1, 4))
def test_agrees_with_a_second_implementation(seed: int, images: int) -> None:
    random = np.random.default_rng(seed)
    truths, detections = [], []
    for _ in range(images):
        boxes = random_boxes(random, int(random.integers(1, 6)))
        near = boxes[random.random(len(boxes)) < 0.8]
        near = near + random.normal(0, 2.5, near.shape).astype(np.float32)
        far = random_boxes(random, int(random.integers(0, 4)))
        proposals = np.concatenate([near, far])
        proposals[:, 2:] = np.maximum(proposals[:, 2:], proposals[:, :2] + 1)
        scores = random.permutation(len(proposals)) + random.random()
        truths.append(truth(*map(tuple, boxes.tolist())))
        detections.append(found(*map(tuple, proposals.tolist()), scores=list(scores / 20)))
    accuracy = score_detections(truths, detections, HEAD)
    steps = [0.5 + 0.05 * i for i in range(10)]
    expected = [reference(truths, detections, at) for at in steps]
    assert accuracy.ap50 == pytest.approx(expected[0], abs=1e-9)
    assert accuracy.ap == pytest.approx(sum(expected) / 10, abs=1e-9)
