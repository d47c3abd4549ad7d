"""Landmarks in training: they go where their picture goes, and only known ones cost anything."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from hexdet.datasets.partial import PartialRule
from hexdet.datasets.record import MIRRORED_LANDMARKS, Annotation, Record
from hexdet.datasets.scenes import Faces
from hexdet.recipe import AugmentSection, Recipe, load_recipe
from hexdet.runtime.anchors import all_anchors
from hexdet.runtime.boxes import decode
from hexdet.runtime.contract import InputSpec
from hexdet.runtime.landmarks import decode_landmarks
from hexdet.training.augmentation import augment, flip
from hexdet.training.checkpoint import network_of
from hexdet.training.contract import contract_of
from hexdet.training.landmark_loss import CURVATURE, WIDTH, landmark_loss
from hexdet.training.loading import TrainingSamples
from hexdet.training.matching import match
from hexdet.training.objective import Objective

WIDTH_PX, HEIGHT_PX = 200, 150
SPOTS = ((70, 50), (110, 52), (88, 70), (76, 90), (104, 92))
"""Where the picture has five discs, (x, y)."""
GEOMETRY = {
    "nothing": {},
    "crop": {"crop": 1.0},
    "expand": {"expand": 1.0, "expand_ratio": 2.0},
    "flip": {"flip": 1.0},
    "vertical flip": {"vertical_flip": 1.0},
    "all": {"crop": 0.5, "expand": 1.0, "flip": 0.5, "vertical_flip": 0.5},
}
NOTHING = dict.fromkeys(("photometric", "grey", "expand", "crop", "flip", "vertical_flip"), 0.0)
SPEC = InputSpec(width=180, height=120, fit="letterbox")


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """The shipped recipe of the faces."""
    return load_recipe("faces")


def picture() -> tuple[npt.NDArray[np.uint8], Annotation]:
    """Return five discs, the eyes and the left mouth corner brighter than the rest."""
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), 10, np.uint8)
    rows, columns = np.mgrid[0:HEIGHT_PX, 0:WIDTH_PX]
    for i, (x, y) in enumerate(SPOTS):
        image[np.hypot(columns + 0.5 - x, rows + 0.5 - y) < 5] = 90 + 30 * i
    truth = Annotation(
        boxes=np.asarray([[60, 35, 120, 105]], np.float32),
        labels=np.ones(1, np.int64),
        ignore=np.zeros(1, np.bool_),
        landmarks=np.asarray([SPOTS], np.float32),
    )
    return image, truth


@pytest.mark.parametrize("kind", GEOMETRY)
def test_points_go_where_their_discs_go(kind: str) -> None:
    image, before = picture()
    section = AugmentSection(**{**NOTHING, **GEOMETRY[kind]})
    seen = 0
    for seed in range(25):
        changed, truth = augment(image, before, SPEC, section, np.random.default_rng(seed))
        for points in truth.points():
            for index, point in enumerate(points):
                if np.isnan(point).any():
                    continue
                x, y = (int(v) for v in point)
                grey = changed[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2, 0]
                # A mirrored picture shows at the left eye's place what was the right one.
                origin = {90 + 30 * index, 90 + 30 * MIRRORED_LANDMARKS[index]}
                assert min(abs(int(np.median(grey)) - o) for o in origin) < 12
                seen += 1
    assert seen > (20 if "crop" in GEOMETRY[kind] else 100)


@pytest.mark.parametrize("horizontal", [True, False])
def test_mirroring_twice_gives_the_points_back(horizontal: bool) -> None:
    image, before = picture()
    once = flip(image, before, horizontal=horizontal)[1]
    np.testing.assert_array_equal(
        flip(image, once, horizontal=horizontal)[1].points(), before.points()
    )


def test_a_mirrored_left_eye_is_the_right_one() -> None:
    image, before = picture()
    points = flip(image, before, horizontal=True)[1].points()[0]
    x = [point[0] for point in SPOTS]
    np.testing.assert_array_equal(points[:, 0], WIDTH_PX - np.asarray(x)[list(MIRRORED_LANDMARKS)])
    assert points[0, 0] < points[1, 0] and points[3, 0] < points[4, 0]
    up = flip(image, before, horizontal=False)[1].points()[0]
    assert up[0, 0] == SPOTS[0][0] and up[0, 1] == HEIGHT_PX - SPOTS[0][1]


def test_without_landmarks_there_are_none_afterwards() -> None:
    image, before = picture()
    section = AugmentSection(flip=0.5)
    for seed in range(5):
        truth = augment(
            image, replace(before, landmarks=None), SPEC, section, np.random.default_rng(seed)
        )[1]
        assert truth.landmarks is None


def test_a_crop_makes_partial_faces_and_hides_points() -> None:
    """By the share of the face in the window: whole, partial, ignored."""
    image, before = picture()
    section = AugmentSection(**{**NOTHING, "crop": 1.0})
    rule = PartialRule(label=2)
    found = {"whole": 0, "partial": 0, "ignored": 0}
    # A second face elsewhere lets the window cut the first: it must hold a centre of some.
    both = Annotation(
        boxes=np.concatenate([before.boxes, [[150, 100, 190, 145]]]).astype(np.float32),
        labels=np.ones(2, np.int64),
        ignore=np.zeros(2, np.bool_),
        landmarks=np.concatenate([before.points(), np.full((1, 5, 2), np.nan, np.float32)]),
    )
    spec = InputSpec(width=WIDTH_PX, height=HEIGHT_PX)
    for seed in range(300):
        _, plain = augment(image, both, spec, section, np.random.default_rng(seed))
        _, truth = augment(image, both, spec, section, np.random.default_rng(seed), rule)
        inside = np.isfinite(truth.points()).all(axis=2)
        assert ((truth.points() >= 0) & (truth.points() <= (WIDTH_PX, HEIGHT_PX)))[inside].all()
        if not len(truth) or not inside[0].any():
            continue
        kind = "ignored" if truth.ignore[0] else "partial" if truth.labels[0] == 2 else "whole"
        found[kind] += 1
        if kind == "whole" and len(plain) and not plain.ignore[0]:
            np.testing.assert_array_equal(truth.boxes[0], plain.boxes[0])
    assert min(found["whole"], found["partial"]) > 5, found


def test_what_became_too_small_is_ignored() -> None:
    image, before = picture()
    spec = InputSpec(width=40, height=30)
    for least, ignored in ((11, False), (13, True)):  # the face becomes 12 px wide
        section = AugmentSection(**NOTHING, smallest_px=least)
        truth = augment(image, before, spec, section, np.random.default_rng(0))[1]
        assert truth.ignore.tolist() == [ignored]


def test_positive_anchors_learn_the_points(recipe: Recipe) -> None:
    contract = contract_of(recipe)
    anchors = all_anchors(contract)
    _, truth = picture()
    landmarks = truth.points().copy()
    landmarks[0, 2] = np.nan
    truth = replace(truth, landmarks=landmarks)
    targets = match(
        truth, anchors, contract.variances, match_iou=0.5, ignore_iou=0.4, landmarks=True
    )
    positive = targets.labels > 0
    assert targets.deltas.shape == (contract.anchor_count, 14)
    assert positive.any() and not targets.deltas[~positive].any()
    points = decode_landmarks(targets.deltas[positive, 4:], anchors[positive], contract.variances)
    for row in points:
        np.testing.assert_allclose(row, landmarks[0], atol=1e-3)
    boxes = decode(targets.deltas[positive, :4], anchors[positive], contract.variances)
    np.testing.assert_allclose(boxes, np.repeat(truth.boxes, len(boxes), axis=0), atol=1e-3)
    plain = match(truth, anchors, contract.variances, match_iou=0.5, ignore_iou=0.4)
    np.testing.assert_array_equal(plain.labels, targets.labels)
    np.testing.assert_array_equal(plain.deltas, targets.deltas[:, :4])


def test_without_a_face_there_is_nothing_to_learn(recipe: Recipe) -> None:
    contract = contract_of(recipe)
    targets = match(
        Annotation.empty(), all_anchors(contract), contract.variances,
        match_iou=0.5, ignore_iou=0.4, landmarks=True,
    )  # fmt: skip
    assert targets.deltas.shape == (contract.anchor_count, 14)
    assert not targets.labels.any()


def loss_of(deltas: torch.Tensor, targets: torch.Tensor, labels: list[int]) -> float:
    return float(landmark_loss(deltas, targets, torch.tensor(labels)))


def test_no_anchors_cost_nothing() -> None:
    assert loss_of(torch.zeros(0, 10), torch.zeros(0, 10), []) == 0


@pytest.mark.parametrize("error", [0.0, 0.01, 0.2, 0.39, WIDTH, 1.5, -1.5])
def test_wing_loss_by_hand(error: float) -> None:
    targets = torch.zeros(1, 10)
    deltas = targets.clone()
    deltas[0, 3] = error
    joint = WIDTH - WIDTH * math.log(1 + WIDTH / CURVATURE)
    size = abs(error)
    expected = WIDTH * math.log(1 + size / CURVATURE) if size < WIDTH else size - joint
    assert loss_of(deltas, targets, [1]) == pytest.approx(expected, rel=1e-5)


def test_wing_loss_has_no_step_where_its_halves_meet() -> None:
    targets = torch.zeros(1, 10)
    near, far = (loss_of(targets + v, targets, [1]) for v in (WIDTH - 1e-5, WIDTH + 1e-5))
    assert near == pytest.approx(far, abs=1e-3)


def test_only_known_points_of_positives_cost_and_pull() -> None:
    deltas = torch.ones(4, 10, requires_grad=True)
    targets = torch.zeros(4, 10)
    targets[0, :6] = torch.nan
    targets[1] = torch.nan
    loss = landmark_loss(deltas, targets, torch.tensor([1, 2, 0, -1]))
    loss.backward()
    assert deltas.grad is not None
    assert deltas.grad.isfinite().all()
    assert deltas.grad[0, 6:].gt(0).all()
    assert not deltas.grad[0, :6].any() and not deltas.grad[1:].any()
    assert float(loss.detach()) == pytest.approx(4 * loss_of(torch.ones(1, 10) * torch.tensor(
        [1.0] + [0.0] * 9), torch.zeros(1, 10), [1]), rel=1e-5)  # fmt: skip


def test_the_contract_and_the_network_have_a_third_kind_of_output(recipe: Recipe) -> None:
    contract = contract_of(recipe)
    network = network_of(recipe).eval()
    assert contract.classes == ("face", "partial")
    assert [v.landmarks for v in contract.levels] == [
        "landmarks_8", "landmarks_16", "landmarks_32",
    ]  # fmt: skip
    with torch.no_grad():
        outputs = network(torch.zeros(2, 3, contract.input.height, contract.input.width))
    shapes = [tuple(v.permute(0, 2, 3, 1).shape[1:]) for kind in outputs for v in kind]
    assert shapes == [shape[1:] for shape in contract.output_shapes().values()]
    assert sum(v.numel() for v in network.parameters()) < 1_000_000


def test_the_weight_of_the_recipe_counts(recipe: Recipe) -> None:
    contract = contract_of(recipe)
    dataset = Faces(split="train", count=4)
    samples = TrainingSamples(dataset, contract, recipe.training)
    batch = [samples[(0, i)] for i in range(4)]
    labels = torch.stack([torch.from_numpy(s.labels) for s in batch])
    targets = torch.stack([torch.from_numpy(s.deltas) for s in batch])
    assert targets.shape == (4, contract.anchor_count, 14)
    torch.manual_seed(0)
    network = network_of(recipe)
    pixels = torch.stack([torch.from_numpy(s.pixels) for s in batch])
    outputs = network((pixels.permute(0, 3, 1, 2).float() - 127) / 128)
    parts = {}
    for weight in (1.0, 3.0):
        section = recipe.training.model_copy(update={"landmark_weight": weight})
        losses = Objective(contract, section)(outputs, labels, targets)
        assert losses.landmark is not None
        parts[weight] = float(losses.landmark.detach())
        total = losses.score + losses.box + losses.landmark
        torch.testing.assert_close(losses.total, total)
    assert 0 < parts[1.0] == pytest.approx(parts[3.0] / 3, rel=1e-5)


def test_crops_make_a_class_that_the_data_lacks() -> None:
    """As of WIDER FACE, which knows whole faces only."""
    recipe = load_recipe(
        "heads", ["training.augment.partial_class=part", "training.augment.crop=1"]
    )
    contract = contract_of(recipe)
    assert recipe.classes == contract.classes == ("head", "part")
    dataset = Faces(split="train", count=12)
    samples = TrainingSamples(OnlyWhole(dataset), contract, recipe.training)
    labels = {int(v) for i in range(12) for e in range(3) for v in samples[(e, i)].labels}
    assert labels == {-1, 0, 1, 2}


class OnlyWhole:
    """Whole faces under another name, as of a dataset with one class."""

    def __init__(self, dataset: Faces) -> None:
        self._dataset = dataset
        self.name, self.classes, self.dropped = "whole", ("head",), dataset.dropped

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Record:
        record = self._dataset[index]
        truth = record.annotation
        whole = truth.labels == 1
        return replace(record, annotation=Annotation(
            boxes=truth.boxes[whole], labels=truth.labels[whole], ignore=truth.ignore[whole]
        ))  # fmt: skip

    def annotation(self, index: int) -> Annotation:
        return self[index].annotation

    def fingerprint(self) -> str:
        return self._dataset.fingerprint()
