"""The losses: their values by hand, where their gradients go, and the order of the anchors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from hexdet.recipe import parse_recipe
from hexdet.runtime.anchors import all_anchors
from hexdet.training.contract import contract_of
from hexdet.training.losses import box_loss, flatten, focal_loss, hard_negative_loss
from hexdet.training.objective import Objective


def some_scores(count: int, classes: int = 3, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(count, classes, generator=generator)).requires_grad_()


def two_scores(p: float) -> list[float]:
    """Return raw scores whose softmax gives the second class the probability `p`."""
    return [0.0, math.log(p / (1 - p))]


@pytest.mark.parametrize("labels", [[], [-1, -1]], ids=["no anchors", "none takes part"])
def test_no_anchor_no_loss(labels: list[int]) -> None:
    scores = some_scores(len(labels))
    tensor = torch.tensor(labels, dtype=torch.int64)
    loss = focal_loss(scores, tensor, gamma=2.0, alpha=0.25)
    loss = loss + box_loss(torch.zeros(len(labels), 4), torch.ones(len(labels), 4), tensor)
    loss.backward()
    assert loss.item() == 0.0
    assert scores.grad is not None and not scores.grad.any()


def test_without_focus_it_is_half_of_cross_entropy() -> None:
    scores, labels = some_scores(50), torch.arange(50) % 3
    found = focal_loss(scores, labels, gamma=0.0, alpha=0.5)
    expected = functional.cross_entropy(scores, labels, reduction="sum") / 2
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("p", "label", "gamma", "alpha", "expected"),
    [
        # p is the probability of class 1; -weight * (1 - p_true) ** gamma * ln(p_true)
        (0.5, 1, 2.0, 0.25, 0.25 * 0.25 * math.log(2)),
        (0.5, 0, 2.0, 0.25, 0.75 * 0.25 * math.log(2)),
        (0.9, 1, 2.0, 0.25, -0.25 * 0.01 * math.log(0.9)),
        (0.9, 0, 2.0, 0.25, -0.75 * 0.81 * math.log(0.1)),
        (0.9, 0, 1.0, 0.25, -0.75 * 0.9 * math.log(0.1)),
        (0.2, 1, 0.5, 0.6, -0.6 * math.sqrt(0.8) * math.log(0.2)),
    ],
)
def test_focal_loss_by_hand(
    p: float, label: int, gamma: float, alpha: float, expected: float
) -> None:
    found = focal_loss(
        torch.tensor([two_scores(p)]), torch.tensor([label]), gamma=gamma, alpha=alpha
    )
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_focal_loss_is_a_sum_over_the_anchors() -> None:
    scores, labels = some_scores(9), torch.arange(9) % 3
    whole = focal_loss(scores, labels, gamma=2.0, alpha=0.25)
    parts = [
        focal_loss(scores[i : i + 1], labels[i : i + 1], gamma=2.0, alpha=0.25) for i in range(9)
    ]
    torch.testing.assert_close(whole, torch.stack(parts).sum())


def test_label_minus_one_takes_no_part() -> None:
    scores, labels = some_scores(6), torch.tensor([0, -1, 2, -1, 1, -1])
    taking_part = labels >= 0
    found = focal_loss(scores, labels, gamma=2.0, alpha=0.25)
    alone = focal_loss(scores[taking_part], labels[taking_part], gamma=2.0, alpha=0.25)
    torch.testing.assert_close(found, alone)
    found.backward()
    assert scores.grad is not None
    assert not scores.grad[~taking_part].any()
    assert scores.grad[taking_part].all()


def test_a_step_down_the_gradient_raises_the_true_class_alone() -> None:
    scores, labels = some_scores(30), torch.arange(30) % 3
    focal_loss(scores, labels, gamma=2.0, alpha=0.25).backward()
    assert scores.grad is not None
    truth = functional.one_hot(labels, 3).bool()
    assert (scores.grad[truth] < 0).all()
    assert (scores.grad[~truth] > 0).all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("margin", [17.0, 30.0, 200.0])
def test_a_sure_anchor_gives_a_finite_gradient_for_every_gamma(gamma: float, margin: float) -> None:
    """(1 - p) ** gamma has an infinite slope at p = 1 for a gamma below 1; float32 gets there."""
    scores = torch.tensor([[margin, 0.0], [0.0, margin]], requires_grad=True)
    loss = focal_loss(scores, torch.tensor([0, 0]), gamma=gamma, alpha=0.25)
    loss.backward()
    assert loss.isfinite()
    assert scores.grad is not None and scores.grad.isfinite().all()
    assert scores.grad[1].all()  # the wrong anchor still learns


@pytest.mark.parametrize(
    ("difference", "expected"), [(0.0, 0.0), (0.5, 0.125), (1.0, 0.5), (-3.0, 2.5)]
)
def test_box_loss_by_hand(difference: float, expected: float) -> None:
    """Smooth L1: d * d / 2 up to 1, |d| - 1 / 2 above."""
    targets = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    deltas = targets + torch.tensor([[0.0, difference, 0.0, 0.0]])
    assert float(box_loss(deltas, targets, torch.tensor([2]))) == pytest.approx(expected)


def test_box_loss_is_a_sum_over_positives_alone() -> None:
    labels = torch.tensor([0, 1, -1, 3])
    deltas = torch.zeros(4, 4, requires_grad=True)
    targets = torch.ones(4, 4)
    targets[labels <= 0] = math.nan  # must not even be looked at
    loss = box_loss(deltas, targets, labels)
    loss.backward()
    assert loss.item() == pytest.approx(2 * 4 * 0.5)
    assert deltas.grad is not None
    assert deltas.grad.abs().sum(dim=1).tolist() == [0.0, 4.0, 0.0, 4.0]


@pytest.mark.parametrize("channels", [2, 4])
def test_flatten_follows_the_order_of_the_anchors(channels: int) -> None:
    """Each number says where it lies: level, row, column, anchor and channel, an image apart."""
    sizes = [[[10.0 * k + i, 20.0 * k + i] for i in range(1, 2 + k)] for k in range(1, 5)]
    network = {"width": 160, "height": 96, "anchors": sizes}  # rows are not columns
    contract = contract_of(parse_recipe({"name": "t", "network": network}, "test"))
    levels = []
    for k, level in enumerate(contract.levels):
        map_ = np.empty((2, len(level.anchors), channels, level.rows, level.columns))
        for image, anchor, channel, row, column in np.ndindex(map_.shape):
            code = (((k * 100 + row) * 100 + column) * 10 + anchor) * 10 + channel
            map_[image, anchor, channel, row, column] = code + 10**8 * image
        levels.append(torch.from_numpy(map_.reshape(2, -1, level.rows, level.columns)))
    flat = flatten(levels, channels).numpy().astype(np.int64)
    anchors = all_anchors(contract)
    assert flat.shape == (2, len(anchors), channels)
    for image in range(2):
        for index, (cx, cy, width, height) in enumerate(anchors):
            codes = flat[image, index] - 10**8 * image
            assert (codes % 10).tolist() == list(range(channels))
            (code,) = set((codes // 10).tolist())
            code, anchor = divmod(code, 10)
            code, column = divmod(code, 100)
            k, row = divmod(code, 100)
            level = contract.levels[k]
            assert (cx, cy) == ((column + 0.5) * level.stride, (row + 0.5) * level.stride)
            assert level.anchors[anchor] == (width, height)


@pytest.mark.parametrize(
    "shape", [(0, 4), (2, 0), (2, 4)], ids=["no image", "no anchor", "ignored"]
)
def test_mining_where_nothing_takes_part(shape: tuple[int, int]) -> None:
    scores = torch.randn(*shape, 3, requires_grad=True)
    loss = hard_negative_loss(scores, torch.full(shape, -1), ratio=3.0)
    loss.backward()
    assert loss.item() == 0.0
    assert scores.grad is not None and not scores.grad.any()


def test_mining_takes_three_of_each_images_hardest_negatives() -> None:
    """SSD, section 2.2: the negatives of the highest loss, at most 3 to 1, image by image."""
    # The raw score of class 1; the background's is 0: the higher, the harder a negative.
    raw = torch.tensor(
        [
            [5.0, -2.0, 1.0, 0.0, 3.0, -1.0],  # one positive: keeps 3 of its 4 negatives
            [9.0, 8.0, 7.0, 6.0, 5.0, 4.0],  # no positive: keeps none, hard as they are
            [1.0, 1.0, 2.0, -3.0, 0.5, 0.0],  # two positives: 6 wanted, it has 3
        ]
    )
    labels = torch.tensor([[0, 1, 0, 0, -1, 0], [0, 0, 0, 0, 0, 0], [1, 1, 0, -1, 0, 0]])
    scores = torch.stack([torch.zeros_like(raw), raw], dim=2).requires_grad_()
    loss = hard_negative_loss(scores, labels, ratio=3.0)
    loss.backward()
    assert scores.grad is not None
    learns = scores.grad.any(dim=2)
    assert learns.tolist() == [
        [True, True, True, True, False, False],
        [False] * 6,
        [True, True, True, False, True, True],
    ]
    taken = [(raw[i, j].item(), labels[i, j].item()) for i, j in learns.nonzero().tolist()]
    by_hand = sum(math.log1p(math.exp(-s if label else s)) for s, label in taken)
    assert loss.item() == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize(("ratio", "negatives"), [(0.4, 1), (1.0, 2), (3.0, 6), (100.0, 48)])
def test_the_ratio_bounds_the_negatives(ratio: float, negatives: int) -> None:
    scores = some_scores(50).detach()[None].requires_grad_()
    labels = torch.zeros(1, 50, dtype=torch.int64)
    labels[0, :2] = 2
    hard_negative_loss(scores, labels, ratio=ratio).backward()
    assert scores.grad is not None
    assert int(scores.grad[0, 2:].any(dim=1).sum()) == negatives


def test_equal_negatives_are_still_only_so_many() -> None:
    """Of a fresh network all are alike: a threshold on the loss would take all of them."""
    scores = torch.zeros(2, 30, 2, requires_grad=True)
    labels = torch.zeros(2, 30, dtype=torch.int64)
    labels[:, 5] = 1
    loss = hard_negative_loss(scores, labels, ratio=3.0)
    assert loss.item() == pytest.approx(2 * (1 + 3) * math.log(2), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("focal", lambda s, y: focal_loss(s[0], y[0], gamma=2.0, alpha=0.25)),
        ("hard_negative", lambda s, y: hard_negative_loss(s, y, ratio=2.0)),
    ],
)
def test_the_recipe_chooses_the_loss_of_the_scores(loss: str, expected: Any) -> None:
    recipe = parse_recipe(
        {
            "name": "t",
            "network": {"width": 64, "height": 64},
            "training": {"loss": loss, "negative_ratio": 2.0},
        },
        "test",
    )
    contract = contract_of(recipe)
    outputs = [
        [torch.randn(1, len(v.anchors) * values, v.rows, v.columns) for v in contract.levels]
        for values in (contract.scores_per_anchor, 4)
    ]
    labels = torch.zeros(1, contract.anchor_count, dtype=torch.int64)
    labels[0, ::40] = 1
    targets = torch.zeros(1, contract.anchor_count, 4)
    found = Objective(contract, recipe.training)((outputs[0], outputs[1]), labels, targets)
    scores = flatten(outputs[0], contract.scores_per_anchor)
    torch.testing.assert_close(found.score, expected(scores, labels) / (labels > 0).sum())
