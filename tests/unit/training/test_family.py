"""The members of the family: their layers' names, variants, activations and deployed graphs."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from hexdet.export.onnx_graph import export_float
from hexdet.recipe import Recipe, parse_recipe
from hexdet.training.checkpoint import load_checkpoint, network_of, save_checkpoint
from hexdet.training.contract import contract_of
from hexdet.training.networks import HeadSpec, Variant, build_network
from hexdet.training.networks.l2_norm import L2Norm
from hexdet.training.networks.layers import ConvBlock, scaled
from hexdet.training.networks.mobilenet_v2 import STAGES, MobileNetV2

THIN = 0.125
NAMES = (
    "mb2_ssd_lite_f38", "mb2_ssd_lite", "mb1_ssd", "mb1_ssd_3x3", "ssd300_vgg16", "ssd512_vgg16",
)  # fmt: skip


def recipe_of(name: str, **network: object) -> Recipe:
    section = {"name": name, "width": 128, "height": 96, "levels": 3, **network}
    return parse_recipe({"name": "t", "network": section}, "test")


def graph_of(recipe: Recipe, network: nn.Module | None = None) -> onnx.ModelProto:
    made = network or network_of(recipe)
    return export_float(made, contract_of(recipe), 17).simplified  # type: ignore[arg-type]


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node if node.op_type != "Constant")


@given(st.integers(1, 4096), st.floats(0.05, 4))
@settings(deadline=None)
def test_channels_are_multiples_of_8_and_never_much_fewer(channels: int, width: float) -> None:
    found = scaled(channels, width)
    assert found % 8 == 0 and found >= 8
    assert found >= 0.9 * channels * width
    assert found <= max(8, channels * width + 8)


def test_channels_as_mobilenet_v2_rounds_them() -> None:
    """The stages of the published mobilenet_v2_0.35 and 0.75, behind a stem of 16 and 24."""
    published = [channels for _, channels, _, _ in STAGES]
    assert [scaled(c, 0.35) for c in [32, *published]] == [16, 8, 8, 16, 24, 32, 56, 112]
    assert [scaled(c, 0.75) for c in [32, *published]] == [24, 16, 24, 24, 48, 72, 120, 240]


@pytest.mark.parametrize(
    ("depth", "blocks"),
    [
        (1.0, [1, 2, 3, 4, 3, 3, 1]),
        (0.5, [1, 1, 2, 2, 2, 2, 1]),
        (0.1, [1, 1, 1, 1, 1, 1, 1]),
        (1.5, [2, 3, 5, 6, 5, 5, 2]),
    ],
)
def test_the_depth_multiplies_repeats_and_leaves_the_levels_where_they_are(
    depth: float, blocks: list[int]
) -> None:
    backbone = MobileNetV2(width=THIN, depth=depth)
    assert len(backbone.blocks) == 1 + sum(blocks) + 1
    assert backbone.taps == (1 + sum(blocks[:3]), 1 + sum(blocks[:5]))
    with torch.no_grad():
        maps = backbone.eval()(torch.zeros(1, 3, 96, 64))
    assert [tuple(m.shape[2:]) for m in maps] == [(12, 8), (6, 4), (3, 2)]
    assert [m.shape[1] for m in maps] == backbone.out_channels


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("relu", ["relu", "relu6"])
def test_the_deployed_graph_is_pure(name: str, relu: str) -> None:
    """Convolutions and what lies between them: nothing that an 8-bit scale would spoil."""
    found = operators(graph_of(recipe_of(name, width_multiplier=THIN, relu=relu)))
    activation = {"relu": "Relu", "relu6": "Clip"}[relu]
    vgg = {"MaxPool", "LpNormalization"} if "vgg" in name else set()
    residual = {"Add"} if "mb2" in name else set()
    assert found.keys() == {"Conv", "Transpose", activation, *vgg, *residual}
    assert found["LpNormalization"] == bool(vgg)


def test_without_a_word_of_the_recipe_a_network_is_its_own_variant() -> None:
    for name, relu in (("mb1_ssd", nn.ReLU), ("mb2_ssd_lite", nn.ReLU6), ("ssd300_vgg16", nn.ReLU)):
        network = network_of(recipe_of(name, width_multiplier=THIN))
        kinds = {
            type(m.act)
            for m in network.modules()
            if isinstance(m, ConvBlock) and not isinstance(m.act, nn.Identity)
        }
        assert kinds == {relu}
    assert network_of(recipe_of("mb2_ssd_lite_f38_tiny")).variant == Variant(width=0.5, depth=0.5)


def test_a_thin_network_comes_back_from_its_checkpoint(tmp_path: pytest.TempPathFactory) -> None:
    recipe = recipe_of("mb2_ssd_lite_f38_tiny", width_multiplier=0.25, relu="relu")
    network = network_of(recipe)
    path = save_checkpoint(tmp_path / "best.safetensors", network, recipe, {})  # type: ignore[operator]
    found = load_checkpoint(path, recipe).network
    assert found.variant == Variant(width=0.25, depth=0.5, relu="relu")


def test_the_layers_carry_the_names_of_the_caffe_network() -> None:
    """Whoever imports conv1/dw finds it as conv1_dw, in the order of deploy.prototxt."""
    network = network_of(recipe_of("mb1_ssd", width_multiplier=THIN, levels=3))
    names = [name for name, _ in network.features.named_children()]
    separable = [n for k in range(1, 14) for n in (f"conv{k}_dw", f"conv{k}")]
    assert names == ["conv0", *separable, "conv14_1", "conv14_2"]
    vgg = network_of(recipe_of("ssd300_vgg16", width_multiplier=THIN))
    layers = [n for n, _ in vgg.features.layers.named_children()]  # type: ignore[union-attr]
    stages = [
        [*(f"conv{stage}_{k}" for k in range(1, count + 1)), f"pool{stage}"]
        for stage, count in enumerate((2, 2, 3, 3, 3), 1)
    ]
    assert layers == [*chain(*stages), "fc6", "fc7", "conv6_1", "conv6_2"]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_left_out_levels_cost_nothing(levels: int) -> None:
    spec = HeadSpec(scores=2, anchors=(1,) * levels)
    layers = build_network("ssd300_vgg16", spec, Variant(width=THIN)).features.layers  # type: ignore[union-attr]
    last = {1: "conv4_3", 2: "fc7", 3: "conv6_2"}[levels]
    assert [n for n, _ in layers.named_children()][-1] == last


def test_l2_normalisation_by_hand() -> None:
    norm = L2Norm(2)
    x = torch.tensor([[[[3.0, 0.0]], [[4.0, 0.0]]]])
    with torch.no_grad():
        norm.scale.copy_(torch.tensor([10.0, 5.0]))  # type: ignore[union-attr]
        found = norm(x)
    torch.testing.assert_close(found, torch.tensor([[[[6.0, 0.0]], [[4.0, 0.0]]]]))
    assert L2Norm(512).scale.unique().tolist() == [20.0]  # type: ignore[union-attr]


def test_the_learnt_scale_is_folded_into_the_heads_that_read_it() -> None:
    torch.manual_seed(1)
    recipe = recipe_of("ssd300_vgg16", width_multiplier=THIN)
    network = network_of(recipe).eval()
    norm = network.features.conv4_3_norm
    assert isinstance(norm, L2Norm) and norm.scale is not None
    with torch.no_grad():
        norm.scale.mul_(0.2 + torch.rand_like(norm.scale))
        for head in network.score_heads:
            nn.init.normal_(head.weight, std=0.1)  # type: ignore[arg-type]
    image = torch.randn(1, 3, 96, 128)
    with torch.no_grad():
        before = [*chain(*network(image))]
        network.fold()
        after = [*chain(*network(image))]
        network.fold()  # a second time changes nothing
        again = [*chain(*network(image))]
    assert norm.scale is None
    for a, b, c in zip(before, after, again, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
        assert torch.equal(b, c)


def test_the_exported_normalisation_is_over_the_channels() -> None:
    recipe = recipe_of("ssd300_vgg16", width_multiplier=THIN)
    nodes = list(graph_of(recipe).graph.node)
    norm = next(node for node in nodes if node.op_type == "LpNormalization")
    attributes = {a.name: a.i for a in norm.attribute}
    assert attributes == {"axis": -1, "p": 2}
    around = [n for n in nodes if n.output[0] == norm.input[0] or n.input[0] == norm.output[0]]
    perms = [list(n.attribute[0].ints) for n in around]
    assert [n.op_type for n in around] == ["Transpose", "Transpose"]
    assert perms == [[0, 2, 3, 1], [0, 3, 1, 2]]


def test_the_gradient_reaches_every_weight_of_every_network() -> None:
    for name in NAMES:
        network = network_of(recipe_of(name, width_multiplier=THIN))
        outputs = [*chain(*network(torch.randn(2, 3, 96, 128)))]
        functional.mse_loss(
            torch.cat([v.flatten() for v in outputs]), torch.ones(sum(v.numel() for v in outputs))
        ).backward()
        blind = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
        assert not blind, (name, blind)
