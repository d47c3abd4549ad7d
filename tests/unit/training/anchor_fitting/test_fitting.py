"""Anchors for every level: by the published rule, by k-means, and where there is too little."""

from __future__ import annotations

import numpy as np
import pytest

from hexdet.errors import DataError
from hexdet.recipe import Recipe, load_recipe
from hexdet.training.anchor_fitting.fitting import by_statistics, fit, height_to_width
from hexdet.training.anchor_fitting.kmeans import Sizes
from hexdet.training.anchor_fitting.study import geometry_of, with_anchors
from hexdet.training.contract import contract_of
from hexdet.training.networks import NETWORKS

F38 = contract_of(load_recipe("heads"))


def boxes(count: int, least: float = 17, most: float = 250, ratio: float = 1.5) -> Sizes:
    sides = np.geomspace(least, most, count)
    return np.stack([sides / np.sqrt(ratio), sides * np.sqrt(ratio)], axis=1)


def test_the_statistics_of_the_reference_give_the_anchors_of_bccd() -> None:
    anchors = contract_of(load_recipe("bccd")).levels
    for level in anchors:
        band = (2.0 * level.stride, 4.0 * level.stride)
        np.testing.assert_allclose(by_statistics(band, 2, 1.1), level.anchors, atol=0.05)


def test_by_statistics_every_anchor_has_the_median_ratio() -> None:
    sizes = boxes(400, ratio=1.7)
    assert height_to_width(sizes) == pytest.approx(1.7)
    for level in fit(sizes, F38, (2, 2, 2, 2), "statistics", seed=0):
        assert level.method == "statistics" and not level.remark
        low, high = level.band
        for (width, height), factor in zip(level.anchors, (0.84, 1.25), strict=True):
            # to half a tenth of a pixel, as they are written
            assert height / width == pytest.approx(1.7, abs=0.02)
            assert np.sqrt(width * height) == pytest.approx(factor * np.sqrt(low * high), abs=0.1)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_anchors_of_a_band_lie_in_it_smallest_first(count: int) -> None:
    found = by_statistics((32.0, 64.0), count, 2.0)
    sides = [np.sqrt(w * h) for w, h in found]
    assert len(found) == count
    assert sides == sorted(sides)
    assert sides[0] > 32 and sides[-1] < 64
    assert by_statistics((32.0, 64.0), 1, 1.0)[0] == pytest.approx((45.25, 45.25), abs=0.01)


def test_by_kmeans_a_level_gets_the_shapes_of_its_band() -> None:
    rng = np.random.default_rng(0)
    planted = [(15, 25), (30, 20), (50, 40), (35, 60), (70, 110), (100, 80), (130, 200), (220, 150)]
    sizes = np.concatenate([np.asarray(p) * rng.lognormal(0, 0.03, (60, 2)) for p in planted])
    found = fit(sizes, F38, (2, 2, 2, 2), "kmeans", seed=0)
    assert [level.boxes for level in found] == [120] * 4
    assert [level.method for level in found] == ["kmeans"] * 4
    np.testing.assert_allclose([a for level in found for a in level.anchors], planted, rtol=0.03)


@pytest.mark.parametrize("counts", [(1, 2, 3, 4), (6, 6, 6, 6)])
def test_every_level_gets_as_many_anchors_as_asked_for(counts: tuple[int, ...]) -> None:
    found = fit(boxes(1000), F38, counts, "kmeans", seed=0)
    assert tuple(len(level.anchors) for level in found) == counts
    assert found == fit(boxes(1000), F38, counts, "kmeans", seed=0)


def test_a_level_without_an_object_takes_the_statistics_and_says_so() -> None:
    sizes = boxes(200, least=17, most=100)
    found = fit(sizes, F38, (2, 2, 2, 2), "kmeans", seed=0)
    assert [level.method for level in found] == ["kmeans", "kmeans", "kmeans", "statistics"]
    assert found[3].boxes == 0
    assert found[3].remark.startswith("no object in its band: by the band")
    expected = fit(sizes, F38, (2, 2, 2, 2), "statistics", seed=0)[3].anchors
    assert found[3].anchors == expected


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (boxes(12, least=130), "fewer than 10 objects for each anchor"),
        (np.full((50, 2), 140.0), "too few different sizes"),
    ],
    ids=["few", "all alike"],
)
def test_a_level_with_too_little_takes_the_statistics(more: Sizes, said: str) -> None:
    sizes = np.concatenate([boxes(200, most=100), more])
    found = fit(sizes, F38, (2, 2, 2, 2), "kmeans", seed=0)
    assert found[3].method == "statistics"
    assert said in found[3].remark


def test_fewer_objects_than_anchors_are_refused() -> None:
    for sizes in (np.zeros((0, 2)), boxes(7)):
        with pytest.raises(DataError, match=f"{len(sizes)} objects are too few for 8 anchors"):
            fit(sizes, F38, (2, 2, 2, 2), "kmeans", seed=0)


def test_no_anchor_is_larger_than_the_input() -> None:
    sizes = boxes(100, least=130, most=180, ratio=4.0)  # up to 360 px high
    found = fit(sizes, F38, (1, 1, 1, 2), "kmeans", seed=0)
    assert max(h for level in found for _, h in level.anchors) == 300.0
    assert found[3].remark == "1 cut to the input's 300 x 300"


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_gets_anchors_that_its_contract_takes(name: str) -> None:
    recipe: Recipe = load_recipe("heads", [f"network={{name: {name}}}"])
    contract, _ = geometry_of(recipe)
    counts = [2, 3] * len(contract.levels)
    del counts[len(contract.levels) :]
    side = np.sqrt(contract.input.width * contract.input.height)
    sizes = boxes(2000, least=8, most=float(side) / 1.3)
    for method in ("kmeans", "statistics"):
        found = fit(sizes, contract, counts, method, seed=0)  # type: ignore[arg-type]
        fitted = contract_of(with_anchors(recipe, [level.anchors for level in found]))
        assert [len(level.anchors) for level in fitted.levels] == counts
        assert [(v.stride, v.rows) for v in fitted.levels] == [
            (v.stride, v.rows) for v in contract.levels
        ]
