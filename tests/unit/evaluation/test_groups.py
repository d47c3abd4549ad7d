"""Groups hold each object and each detection once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from hexdet.evaluation.groups import (
    Sides,
    by_coco_size,
    by_level,
    by_tercile,
    nearest_level,
    network_sides,
)
from hexdet.evaluation.matches import Matches
from hexdet.runtime.contract import DetectorContract, InputSpec, Level
from hexdet.runtime.placement import place

from .conftest import Match

SPEC = InputSpec(width=300, height=300)
CONTRACT = DetectorContract(
    name="two levels",
    network="none",
    classes=("head", "person"),
    input=SPEC,
    levels=tuple(
        Level(
            stride=stride,
            rows=300 // stride,
            columns=300 // stride,
            anchors=((side, side), (1.5 * side, side)),
            scores=f"scores_{stride}",
            boxes=f"boxes_{stride}",
        )
        for stride, side in ((16, 20.0), (32, 60.0))
    ),
)


@pytest.mark.parametrize("seed", range(3))
def test_every_object_and_detection_is_in_one_group(
    random_matches: Callable[[int], Matches], seed: int
) -> None:
    matches = random_matches(seed)
    sides = network_sides(matches, [place(150, 100, SPEC)] * matches.truths.images)
    for groups in (by_coco_size(sides), by_level(CONTRACT, sides), by_tercile(matches, sides)):
        assert (sum(g.truths.astype(int) for g in groups) == 1).all()
        assert (sum(g.found.astype(int) for g in groups) == 1).all()


def test_without_objects_there_are_no_terciles(match: Match) -> None:
    matches = match([], [])
    assert by_tercile(matches, network_sides(matches, [])) == []


def test_sizes_are_those_the_network_sees() -> None:
    """A box of 40 px in a picture of 600 px has 20 px in the input: small, not medium."""
    sides = np.asarray([[20.0, 20.0], [32.0, 32.0], [300.0, 31.0], [96.0, 96.0]])
    groups = by_coco_size(Sides(truths=sides, found=sides[:0]))
    assert [g.truths.tolist() for g in groups] == [
        [True, False, False, False],
        [False, True, False, False],
        [False, False, True, True],
    ]


def test_scale_comes_from_the_placement(random_matches: Callable[[int], Matches]) -> None:
    matches = random_matches(0)
    placements = [place(600, 300, SPEC)] * matches.truths.images
    measured = network_sides(matches, placements).truths
    own = matches.truths.boxes[:, 2:4] - matches.truths.boxes[:, 0:2]
    np.testing.assert_allclose(measured, own * [0.5, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("side", "level"),
    [((20.0, 20.0), 0), ((30.0, 20.0), 0), ((5.0, 5.0), 0), ((60.0, 60.0), 1), ((280.0, 200.0), 1)],
)
def test_the_level_is_that_of_the_best_fitting_anchor(
    side: tuple[float, float], level: int
) -> None:
    assert nearest_level(CONTRACT, np.asarray([side])).tolist() == [level]
