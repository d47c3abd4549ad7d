"""The rendered faces: landmarks lie on what was painted, and little of a face is a partial one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hexdet.datasets.opening import open_split
from hexdet.datasets.partial import PartialRule, partial_rule
from hexdet.datasets.record import Annotation, Dataset, Record
from hexdet.datasets.scenes import Faces, Scenes
from hexdet.datasets.scenes.face_points import face_box, face_landmarks, facing
from hexdet.datasets.scenes.figures import PaintedHead
from hexdet.datasets.scenes.heads import paint_head
from hexdet.datasets.scenes.looks import HeadLook
from hexdet.recipe import AugmentSection
from hexdet.recipe.data import FACE_CLASSES, FacesData

COUNT = 40
FACE, PARTIAL = 1, 2


@pytest.fixture(scope="module")
def faces() -> list[Record]:
    """The first pictures of the training split."""
    dataset = Faces(split="train", count=COUNT)
    return [dataset[index] for index in range(COUNT)]


def all_of(records: list[Record]) -> Annotation:
    truths = [record.annotation for record in records]
    return Annotation(
        boxes=np.concatenate([t.boxes for t in truths]),
        labels=np.concatenate([t.labels for t in truths]),
        ignore=np.concatenate([t.ignore for t in truths]),
        landmarks=np.concatenate([t.points() for t in truths]),
    )


def test_none_at_all() -> None:
    assert len(Faces(split="train", count=0)) == 0
    with pytest.raises(IndexError):
        Faces(split="train", count=0)[0]


def test_the_recipe_opens_it_with_its_two_classes() -> None:
    data = FacesData(format="faces", test=7)
    dataset: Dataset = open_split(data, "test")
    assert isinstance(dataset, Faces)
    assert len(dataset) == 7
    assert dataset.classes == data.classes == FACE_CLASSES == ("face", "partial")


def test_same_for_the_same_numbers_and_other_than_the_scenes(faces: list[Record]) -> None:
    again = Faces(split="train", count=9)[3]
    np.testing.assert_array_equal(again.image, faces[3].image)
    np.testing.assert_array_equal(again.annotation.boxes, faces[3].annotation.boxes)
    np.testing.assert_array_equal(again.annotation.points(), faces[3].annotation.points())
    prints = {
        dataset.fingerprint()
        for dataset in (
            Faces(split="train", count=9),
            Faces(split="val", count=9),
            Faces(split="train", count=9, seed=1),
            Scenes(split="train", count=9),
        )
    }
    assert len(prints) == 4


@pytest.mark.parametrize(
    ("split", "count", "seed"), [("all", 1, 0), ("test", -1, 0), ("val", 1, -1)]
)
def test_nonsense_is_refused(split: str, count: int, seed: int) -> None:
    with pytest.raises(ValueError, match=r"split|negative"):
        Faces(split=split, count=count, seed=seed)  # type: ignore[arg-type]


def test_there_are_whole_partial_and_ignored_faces(faces: list[Record]) -> None:
    truth = all_of(faces)
    learnt = ~truth.ignore
    assert (learnt & (truth.labels == FACE)).sum() > 50
    assert (learnt & (truth.labels == PARTIAL)).sum() > 3
    assert 0 < truth.ignore.sum() < 0.4 * len(truth)


def test_known_points_lie_in_the_picture_and_near_their_face(faces: list[Record]) -> None:
    for record in faces:
        height, width = record.image.shape[:2]
        points = record.annotation.points()
        known = np.isfinite(points).all(axis=2)
        assert np.isfinite(points[known]).all()
        assert ((points[known] >= 0) & (points[known] <= (width, height))).all()
        sides = record.annotation.boxes[:, None, 2:4] - record.annotation.boxes[:, None, 0:2]
        low, high = record.annotation.boxes[:, None, 0:2], record.annotation.boxes[:, None, 2:4]
        whole = (record.annotation.labels == FACE) & ~record.annotation.ignore
        near = ((points >= low - 0.15 * sides) & (points <= high + 0.15 * sides)).all(axis=2)
        assert near[whole[:, None] & known].all()


def test_a_whole_face_mostly_has_all_points_in_their_order(faces: list[Record]) -> None:
    truth = all_of(faces)
    points = truth.points()[(truth.labels == FACE) & ~truth.ignore]
    known = np.isfinite(points).all(axis=(1, 2))
    assert known.mean() > 0.5
    left_eye, right_eye, nose, left_mouth, right_mouth = points[known].transpose(1, 0, 2)
    assert (left_eye[:, 0] < right_eye[:, 0]).mean() > 0.95
    assert (left_mouth[:, 0] < right_mouth[:, 0]).mean() > 0.95
    assert (left_eye[:, 1] < nose[:, 1]).all() and (nose[:, 1] < right_mouth[:, 1]).all()


LOOK = HeadLook(
    style="bald", skin=(200.0, 200.0, 200.0), hair=(120.0, 120.0, 120.0), hat=(0.0, 0.0, 0.0),
    mask=None, glasses="none", beard=False, phase=0.0, scale=1.0,
)  # fmt: skip


def head(yaw_deg: float, side_px: int = 300) -> tuple[PaintedHead, np.ndarray]:
    """Paint a head turned by so many degrees to the left of the picture; 0 looks straight at us."""
    turn = np.deg2rad(180 + yaw_deg)
    axes = np.array([
        [np.cos(turn), 0, np.sin(turn)], [0, -1, 0], [-np.sin(turn), 0, np.cos(turn)],
    ])  # fmt: skip
    light = np.array([0.0, -0.3, -0.95])
    patch = paint_head(LOOK, axes, light, side_px)
    margin = 1.22
    painted = PaintedHead(
        number=1, box=(0, 0, side_px, side_px), area_px=1, look=LOOK, axes=axes,
        centre_px=(side_px / 2, side_px / 2), half_px=(side_px / 2 / margin,) * 2,
        solid=patch[:, :, 3] > 127, left_px=0, top_px=0,
    )  # fmt: skip
    return painted, patch


@pytest.mark.parametrize("yaw_deg", [-40, -15, 0, 15, 40])
def test_landmarks_lie_on_the_painted_eyes_and_mouth(yaw_deg: float) -> None:
    painted, patch = head(yaw_deg)
    points = face_landmarks(painted)
    assert facing(painted) == pytest.approx(np.cos(np.deg2rad(yaw_deg)))
    dark = (patch[:, :, :3].max(axis=2) < 70) & painted.solid
    _, areas, _, middles = cv2.connectedComponentsWithStats(dark.astype(np.uint8))
    for eye in points[:2]:
        x, y = np.round(eye).astype(int)
        assert areas[y, x] > 0
        # The skin bends, so the point is not quite the middle of the dark patch.
        np.testing.assert_allclose(middles[areas[y, x]], eye, atol=6)
    red = patch[:, :, 2].astype(int) - patch[:, :, 0]  # lips are redder than this grey skin
    for x, y in np.round(points[3:]).astype(int):
        ends = np.flatnonzero(red[y] > 10)
        assert min(abs(ends[0] - x), abs(ends[-1] - x)) <= 6
    x1, y1, x2, y2 = face_box(painted)
    assert (points > (x1, y1)).all() and (points < (x2, y2)).all()


@pytest.mark.parametrize("yaw_deg", [80, -80])
def test_a_point_on_the_far_side_is_not_known(yaw_deg: float) -> None:
    hidden = np.isnan(face_landmarks(head(yaw_deg)[0])).all(axis=1)
    assert hidden.tolist() == ([True, False, False, True, False] if yaw_deg > 0
                               else [False, True, False, False, True])  # fmt: skip


@pytest.mark.parametrize(
    ("before", "part", "label", "ignored"),
    [
        (FACE, 1.0, FACE, False),
        (FACE, 0.4, FACE, False),
        (FACE, 0.39, PARTIAL, False),
        (FACE, 0.15, PARTIAL, False),
        (FACE, 0.14, PARTIAL, True),
        (PARTIAL, 1.0, PARTIAL, False),
        (PARTIAL, 0.5, PARTIAL, False),
        (PARTIAL, 0.37, PARTIAL, True),  # 0.37 of 0.4 at most
    ],
)
def test_what_is_left_decides(before: int, part: float, label: int, ignored: bool) -> None:
    rule = PartialRule(label=PARTIAL)
    for was in (False, True):
        labels, ignore = rule.relabel(
            np.asarray([before]), np.asarray([was]), np.asarray([part], np.float64)
        )
        assert labels.tolist() == [label]
        assert ignore.tolist() == [ignored or was]


def test_of_nothing_there_is_nothing_to_relabel() -> None:
    labels, ignore = PartialRule(label=2).relabel(
        np.zeros(0, np.int64), np.zeros(0, np.bool_), np.zeros(0)
    )
    assert labels.shape == ignore.shape == (0,)


def test_the_rule_is_the_recipes() -> None:
    section = AugmentSection()
    assert partial_rule(FACE_CLASSES, section) is None
    section = replace_section(partial_class="partial", partial_iou=0.5, partial_least=0.2)
    assert partial_rule(FACE_CLASSES, section) == PartialRule(label=2, below=0.5, least=0.2)
    # Data that knows whole ones only gets one more class.
    assert partial_rule(("head",), section) == PartialRule(label=2, below=0.5, least=0.2)
    with pytest.raises(ValueError, match="partial_least must not be above"):
        replace_section(partial_iou=0.1, partial_least=0.2)


def replace_section(**values: float | str) -> AugmentSection:
    return AugmentSection.model_validate(values)
