"""Parameters, MACs and anchors of the family, held against what others publish of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from hexdet.export.network_table import HEADINGS, PUBLISHED, Published, markdown, network_row
from hexdet.recipe import load_recipe, parse_recipe
from hexdet.training.contract import contract_of
from hexdet.training.networks import HeadSpec, build_network, grids_of, network_class
from hexdet.training.networks.layers import TappedSequence, fold_batch_norms
from hexdet.training.networks.mobilenet_v1_ssd import mobilenet_v1
from hexdet.training.networks.mobilenet_v2 import MobileNetV2

CLASSES = 1000
"""Of ImageNet: a published count holds a classifier of as many outputs."""


def parameters_of(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def macs_of(network: nn.Module, height: int, width: int) -> int:
    """Return the multiply-accumulates of a network's convolutions, counted as it runs in torch."""
    counted = []

    def count(layer: nn.Module, given: object, out: Tensor) -> None:
        assert isinstance(layer, nn.Conv2d)
        counted.append(out.numel() * layer.weight.numel() // layer.out_channels)

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        network(torch.empty(1, 3, height, width, device="meta"))
    return sum(counted)


def v1(width: float) -> tuple[nn.Module, int]:
    layers = mobilenet_v1(width)
    return TappedSequence(layers, ("conv13",)), layers["conv13"].conv.out_channels  # type: ignore[union-attr,return-value]


def v2(width: float) -> tuple[nn.Module, int]:
    backbone = MobileNetV2((), width=width)
    return backbone, backbone.out_channels[-1]


@pytest.mark.parametrize(
    ("backbone", "width", "side", "macs_m", "parameters_m"),
    [
        # MobileNets, arXiv 1704.04861, tables 6 and 7: width, then resolution
        (v1, 1.0, 224, 569, 4.2),
        (v1, 0.75, 224, 325, 2.6),
        (v1, 0.5, 224, 149, 1.3),
        (v1, 0.25, 224, 41, 0.5),
        (v1, 1.0, 192, 418, 4.2),
        (v1, 1.0, 160, 290, 4.2),
        (v1, 1.0, 128, 186, 4.2),
        # github.com/tensorflow/models, research/slim/nets/mobilenet: 1.0 is 300 M and 3.4 M in
        # MobileNetV2, arXiv 1801.04381, table 4
        (v2, 1.4, 224, 582, 6.06),
        (v2, 1.0, 224, 300, 3.47),
        (v2, 0.75, 224, 209, 2.61),
        (v2, 0.5, 224, 97, 1.95),
        (v2, 0.35, 224, 59, 1.66),
        (v2, 0.5, 160, 50, 1.95),
    ],
)
def test_backbones_cost_what_their_papers_say(
    backbone: Callable[[float], tuple[nn.Module, int]],
    width: float,
    side: int,
    macs_m: float,
    parameters_m: float,
) -> None:
    with torch.device("meta"):
        network, channels = backbone(width)
    macs = macs_of(network, side, side) + channels * CLASSES
    assert macs / 1e6 == pytest.approx(macs_m, abs=1.0)  # 300.77 M is "300 M" there
    # The papers count weights, and neither the batch norms' factors nor their offsets.
    weights = sum(p.numel() for p in network.parameters() if p.ndim == 4)
    digits = len(f"{parameters_m}".split(".")[1])
    expected = pytest.approx(parameters_m, abs=0.6 * 10**-digits)
    assert (weights + (channels + 1) * CLASSES) / 1e6 == expected


@pytest.mark.parametrize(
    ("name", "scores", "side", "parameters"),
    [
        # The scale of the L2 normalisation counts here; it is folded away where it is deployed.
        # Total params of SSD300 on VOC's 21 classes in several ports of github.com/amdegroot/
        # ssd.pytorch; with COCO's 91 torchvision's SSD300_VGG16_Weights.COCO_V1 ("num_params")
        ("ssd300_vgg16", 21, 300, 26_285_486),
        ("ssd300_vgg16", 91, 300, 35_641_826),
    ],
)
def test_ssd300_has_the_published_parameters_to_the_last(
    name: str, scores: int, side: int, parameters: int
) -> None:
    with torch.device("meta"):
        network = build_network(name, HeadSpec(scores=scores, anchors=(4, 6, 6, 6, 4, 4)))
    assert parameters_of(network) == parameters


@pytest.mark.parametrize(
    ("name", "scores", "side", "first", "parameters_m", "macs_g", "within"),
    [
        # Open Model Zoo (docs.openvino.ai), GFLOPs of two operations a MAC: ssd300, ssd512,
        # mobilenet-ssd (Caffe, 21 classes), ssd_mobilenet_v1_coco (91)
        ("ssd300_vgg16", 21, 300, 4, 26.285, 62.815 / 2, 0.0015),
        ("ssd512_vgg16", 21, 512, 4, 27.189, 180.611 / 2, 0.0015),
        ("mb1_ssd", 21, 300, 3, 5.783, 2.316 / 2, 0.01),
        ("mb1_ssd", 91, 300, 3, 6.807, 2.494 / 2, 0.01),
        # torchvision's SSD300_VGG16_Weights.COCO_V1: "_ops"
        ("ssd300_vgg16", 91, 300, 4, 35.642, 34.858, 0.0015),
        # MobileNetV2, arXiv 1801.04381, table 6, at 320, and Open Model Zoo's ssdlite_mobilenet_v2
        # at 300; TensorFlow's has 3 anchors on the first level, and 128 channels on the last
        ("mb2_ssd_lite", 81, 320, 3, 4.3, 0.8, 0.02),
        ("mb2_ssd_lite", 91, 300, 3, 4.475, 1.525 / 2, 0.02),
    ],
)
def test_detectors_cost_what_is_published(
    name: str,
    scores: int,
    side: int,
    first: int,
    parameters_m: float,
    macs_g: float,
    within: float,
) -> None:
    """first: anchors a cell of the finest level; the others have the default."""
    section = {"name": name, "width": side, "height": side}
    contract = contract_of(parse_recipe({"name": "t", "network": section}, "test"))
    anchors = (first, *(len(level.anchors) for level in contract.levels[1:]))
    with torch.device("meta"):
        network = build_network(name, HeadSpec(scores=scores, anchors=anchors)).eval()
    fold_batch_norms(network)
    assert parameters_of(network) / 1e6 == pytest.approx(parameters_m, rel=within)
    assert macs_of(network, side, side) / 1e9 == pytest.approx(macs_g, rel=within)


@pytest.mark.parametrize(
    ("name", "side", "cells", "anchors"),
    [
        ("mb2_ssd_lite_f38", 300, [38, 19, 10, 5], 3860),
        ("mb2_ssd_lite", 300, [19, 10, 5, 3, 2, 1], 3000),
        ("mb1_ssd", 300, [19, 10, 5, 3, 2, 1], 1917),
        ("mb1_ssd_3x3", 300, [19, 10, 5, 3, 2, 1], 3000),
        ("ssd300_vgg16", 300, [38, 19, 10, 5, 3, 1], 8732),
        ("ssd512_vgg16", 512, [64, 32, 16, 8, 4, 2, 1], 24564),
    ],
)
def test_the_published_anchors_are_the_default(
    name: str, side: int, cells: list[int], anchors: int
) -> None:
    section = {"name": name, "width": side, "height": side}
    contract = contract_of(parse_recipe({"name": "t", "network": section}, "test"))
    assert [(level.rows, level.columns) for level in contract.levels] == [(n, n) for n in cells]
    assert contract.anchor_count == anchors


SIZES = [(160, 160), (300, 160), (321, 299), (512, 384)]


@pytest.mark.parametrize(
    "name",
    ["mb2_ssd_lite_f38", "mb2_ssd_lite", "mb1_ssd", "ssd300_vgg16", "ssd512_vgg16"],
)
def test_the_contract_names_the_feature_maps_that_the_network_gives(name: str) -> None:
    """Rows and columns follow from the input, whatever it is: VGG16's poolings round up."""
    levels = 4
    with torch.device("meta"):
        network = build_network(name, HeadSpec(scores=2, anchors=(1,) * levels)).eval()
    for width, height in SIZES:
        section = parse_recipe(
            {
                "name": "t",
                "network": {
                    "name": name,
                    "width": width,
                    "height": height,
                    "levels": levels,
                    "anchors": [[[9, 9]]] * levels,
                },
            },
            "test",
        ).network
        with torch.no_grad():
            scores, _ = network(torch.empty(1, 3, height, width, device="meta"))
        found = [tuple(level.shape[2:]) for level in scores]
        assert [(g.rows, g.columns) for g in grids_of(section)] == found


def test_the_table_counts_the_graph_that_is_exported() -> None:
    row = network_row("heads")
    assert (row.parameters, row.macs, row.anchors) == (2_750_864, 618_007_664, 3860)
    assert row.published is not None
    assert row.published.words() == "2,750,864, 618 M MACs"
    heading, rule, line = markdown([row]).splitlines()
    assert heading.count("|") == rule.count("|") == line.count("|") == len(HEADINGS) + 1
    assert "| 38 19 10 5 | 3,860 | 2,750,864 | 618,007,664 |" in line


@pytest.mark.parametrize("recipe", ["bccd_tiny", "voc_ssd300_vgg16"])
def test_the_exported_graph_costs_what_torch_computes(recipe: str) -> None:
    loaded = load_recipe(recipe)
    contract = contract_of(loaded)
    row = network_row(recipe)
    with torch.device("meta"):
        network = network_class(row.network)(
            HeadSpec(
                scores=contract.scores_per_anchor,
                anchors=tuple(len(level.anchors) for level in contract.levels),
            )
        ).eval()
        network.fold()
    assert row.parameters == parameters_of(network)
    assert row.macs == macs_of(network, row.height, row.width)
    published = PUBLISHED.get(recipe, Published(source=""))
    assert row.anchors == (published.anchors or row.anchors)
    assert row.parameters == pytest.approx(published.parameters or row.parameters, rel=1e-3)
    assert row.macs == pytest.approx(published.macs or row.macs, rel=0.01)


def test_every_published_figure_is_of_a_shipped_recipe_and_has_a_source() -> None:
    for name, published in PUBLISHED.items():
        load_recipe(name)
        assert published.source
