"""SSD's default boxes: the formula, the published sizes, and the recipes that spell them out."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hexdet.errors import RecipeError
from hexdet.recipe import Recipe, load_recipe, parse_recipe, shipped_recipes
from hexdet.recipe.anchors import PUBLISHED, default_boxes, level_scales, published_anchors
from hexdet.training.contract import contract_of
from hexdet.training.networks import NETWORKS

DATA = Path(os.environ.get("HEXDET_DATA") or "data")
PROTOTXT = DATA.parent / "models" / "mobilenet_ssd_caffe" / "deploy.prototxt"
FROM_FORMULA = (
    "voc_mb2_ssd_lite",
    "voc_mb1_ssd",
    "voc_ssd300_vgg16",
    "voc_ssd512_vgg16",
    "coco_mb2_ssd_lite",
    "rfb320",
    "heads",
)
SSD300 = (30, 60, 111, 162, 213, 264, 315)
SSD512 = (35.84, 76.8, 153.6, 230.4, 307.2, 384.0, 460.8, 537.6)
"""min_size of every level and max_size of the last, in pixels: ssd_pascal.py and
ssd_pascal_512.py of github.com/weiliu89/caffe."""


def recipe_of(**network: object) -> Recipe:
    return parse_recipe({"name": "t", "network": network}, "test")


def test_the_scales_of_the_paper() -> None:
    """arXiv 1512.02325, section 2.2: s_min 0.2 and s_max 0.9 on six feature maps."""
    found = level_scales(6, 0.2, 0.9)[:6]
    assert found == pytest.approx([0.2, 0.34, 0.48, 0.62, 0.76, 0.9])


def test_the_boxes_of_one_level_by_hand() -> None:
    assert default_boxes(60, None, []) == [(60, 60)]
    found = default_boxes(60, 111, [2, 3])
    root = math.sqrt
    expected = [
        (60, 60),
        (root(60 * 111), root(60 * 111)),
        (60 * root(2), 60 / root(2)),
        (60 / root(2), 60 * root(2)),
        (60 * root(3), 60 / root(3)),
        (60 / root(3), 60 * root(3)),
    ]
    assert [v for box in found for v in box] == pytest.approx([v for box in expected for v in box])


@settings(deadline=None)
@given(
    st.floats(0.01, 1),
    st.floats(1.01, 3),
    st.lists(st.floats(1.01, 9), max_size=4),
)
def test_every_box_but_the_larger_square_has_the_area_of_its_scale(
    scale: float, growth: float, ratios: list[float]
) -> None:
    boxes = default_boxes(scale, scale * growth, ratios)
    assert len(boxes) == 2 + 2 * len(ratios)
    areas = [w * h for w, h in boxes]
    assert areas[1] == pytest.approx(scale * scale * growth)
    assert areas[:1] + areas[2:] == pytest.approx([scale * scale] * (1 + 2 * len(ratios)))
    for (w, h), ratio in zip(boxes[2::2], ratios, strict=True):
        assert w / h == pytest.approx(ratio)
    assert [(h, w) for w, h in boxes[2::2]] == boxes[3::2]


@pytest.mark.parametrize(
    ("name", "side", "sizes", "a_cell"),
    [
        ("ssd300_vgg16", 300, SSD300, (4, 6, 6, 6, 4, 4)),
        ("ssd512_vgg16", 512, SSD512, (4, 6, 6, 6, 6, 4, 4)),
    ],
)
def test_the_published_sizes_of_ssd(
    name: str, side: int, sizes: tuple[float, ...], a_cell: tuple[int, ...]
) -> None:
    levels = published_anchors(name, side, side)
    assert tuple(len(level) for level in levels) == a_cell
    for level, smaller, larger in zip(levels, sizes, sizes[1:], strict=False):
        assert level[0] == pytest.approx((smaller, smaller), abs=0.006)
        assert level[1] == pytest.approx((math.sqrt(smaller * larger),) * 2, abs=0.006)


@pytest.mark.skipif(not PROTOTXT.is_file(), reason=f"no prototxt at {PROTOTXT}: set HEXDET_DATA")
def test_the_mobilenet_has_the_anchors_of_its_prototxt() -> None:
    expected = []
    for block in re.findall(r"prior_box_param \{(.*?)\}", PROTOTXT.read_text(), re.DOTALL):
        values: dict[str, list[str]] = {}
        for key, value in re.findall(r"(\w+): (\S+)", block):
            values.setdefault(key, []).append(value)
        assert values["flip"] == ["true"] and values["clip"] == ["false"]
        assert values["variance"] == ["0.1", "0.1", "0.2", "0.2"]
        (smaller,) = map(float, values["min_size"])
        larger = [float(v) for v in values.get("max_size", [])]
        ratios = [float(v) for v in values["aspect_ratio"]]
        expected.append(default_boxes(smaller, larger[0] if larger else None, ratios))
    found = load_recipe("voc_mb1_ssd").network
    assert found.variances == (0.1, 0.2)
    assert [len(level) for level in found.anchors] == [len(level) for level in expected]
    for level, boxes in zip(found.anchors, expected, strict=True):
        for box, wanted in zip(level, boxes, strict=True):
            assert box == pytest.approx(wanted, abs=0.006)


@pytest.mark.parametrize("name", FROM_FORMULA)
def test_a_recipe_spells_out_what_the_formula_gives(name: str) -> None:
    section = load_recipe(name).network
    assert section.anchors == published_anchors(section.name, section.width, section.height)
    assert "anchors:" in next(p for p in shipped_files() if p.stem == name).read_text()


def shipped_files() -> list[Path]:
    from hexdet.recipe import SHIPPED

    return sorted(SHIPPED.glob("*.yaml"))


@pytest.mark.parametrize("name", [n for n in shipped_recipes() if n.startswith(("voc_", "coco_"))])
def test_a_recipe_that_was_not_trained_says_so_first(name: str) -> None:
    path = next(p for p in shipped_files() if p.stem == name)
    assert path.read_text().startswith("# Not trained here")
    training = load_recipe(name).training
    assert (training.loss, training.negative_ratio) == ("hard_negative", 3.0)
    assert (training.optimizer, training.momentum) == ("sgd", 0.9)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_without_anchors_gets_its_networks_own(name: str) -> None:
    contract = contract_of(recipe_of(name=name, width=512, height=512))
    assert [level.anchors for level in contract.levels] == list(published_anchors(name, 512, 512))


def test_every_network_has_published_anchors() -> None:
    assert PUBLISHED.keys() == NETWORKS.keys()


def test_they_follow_the_input_and_the_number_of_levels() -> None:
    whole = recipe_of(name="mb1_ssd").network.anchors
    assert whole[0][0] == (60.0, 60.0)
    wide = recipe_of(name="mb1_ssd", width=600, levels=2).network.anchors
    assert len(wide) == 2
    assert wide[0][0] == (120.0, 60.0)


def test_a_recipes_own_anchors_are_left_alone() -> None:
    own = (((9.0, 9.0),), ((19.0, 19.0),))
    assert recipe_of(name="mb1_ssd", levels=2, anchors=own).network.anchors == own


def test_an_unknown_network_has_none_and_is_refused_by_its_name() -> None:
    recipe = recipe_of(name="resnet")
    assert recipe.network.anchors == ()
    with pytest.raises(RecipeError, match="unknown network 'resnet'"):
        contract_of(recipe)


def test_a_foreign_network_without_anchors_is_told_how_many_levels_it_has() -> None:
    with pytest.raises(RecipeError, match="2 strides, but anchors for 0 levels"):
        contract_of(recipe_of(name="foreign", strides=[8, 16]))


@pytest.mark.parametrize(
    ("network", "says"),
    [
        ({"name": "mb1_ssd", "levels": 7}, r"network.levels: mb1_ssd has 1 to 6 levels, not 7"),
        ({"name": "mb2_ssd_lite_f38", "levels": 2}, r"has 3 to 4 levels, not 2"),
        ({"name": "mb1_ssd", "levels": 2, "anchors": [[[9, 9]]]}, "has 2 levels.*anchors for 1"),
        ({"name": "mb1_ssd", "anchors": [[[9, 9]]] * 2}, "has 6 levels.*anchors for 2"),
        ({"name": "ssd300_vgg16", "width": 160, "height": 160}, "level 6.*network.levels to 5"),
        ({"name": "mb1_ssd", "width": 160, "height": 160}, "no coarser.*network.levels to 5"),
        ({"name": "mb1_ssd", "depth_multiplier": 0.5}, r"network.depth_multiplier: mb1_ssd is"),
        ({"name": "face_landmarks", "relu": "sigmoid"}, "network.relu"),
        ({"name": "mb1_ssd", "width_multiplier": 0}, "network.width_multiplier"),
    ],
)
def test_what_a_network_cannot_be_is_refused_by_its_key(
    network: dict[str, object], says: str
) -> None:
    from hexdet.training.checkpoint import network_of

    with pytest.raises(RecipeError, match=says):
        network_of(recipe_of(**network))


@pytest.mark.parametrize("bad", [{"name": ["x"]}, {"name": "mb1_ssd", "width": "wide"}])
def test_a_wrong_value_before_the_anchors_is_named_alone(bad: dict[str, object]) -> None:
    key = "width" if "width" in bad else "name"
    with pytest.raises(RecipeError) as caught:
        recipe_of(**bad)
    assert f"network.{key}: " in str(caught.value)
    assert "anchors" not in str(caught.value)
