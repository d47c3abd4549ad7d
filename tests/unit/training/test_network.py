"""The network as it is deployed: every number is counted in the exported graph."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import chain

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from hexdet.errors import RecipeError
from hexdet.evaluation.graph_cost import GraphCost, graph_cost
from hexdet.export.onnx_graph import FloatGraphs, export_float
from hexdet.recipe import Recipe, load_recipe, parse_recipe
from hexdet.runtime.anchors import all_anchors
from hexdet.runtime.contract import DetectorContract
from hexdet.training.checkpoint import network_of
from hexdet.training.contract import contract_of
from hexdet.training.networks import SSD, HeadSpec, build_network
from hexdet.training.networks.layers import fold_batch_norms

LEVELS = ((8, 38), (16, 19), (32, 10), (64, 5))
"""Stride and side of every feature map at 300x300."""


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("heads")


@pytest.fixture(scope="module")
def contract(recipe: Recipe) -> DetectorContract:
    return contract_of(recipe)


@pytest.fixture(scope="module")
def network(recipe: Recipe) -> SSD:
    """The network with statistics that no batch norm starts with, as after a training."""
    torch.manual_seed(5)
    network = network_of(recipe)
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 128, 128))
        for norm in (m for m in network.modules() if isinstance(m, nn.BatchNorm2d)):
            assert norm.running_mean is not None and norm.running_var is not None
            norm.running_mean.add_(0.3 * torch.randn_like(norm.running_mean))
            norm.running_var.mul_(0.5 + torch.rand_like(norm.running_var))
            norm.weight.mul_(0.5 + torch.rand_like(norm.weight))
            norm.bias.add_(0.3 * torch.randn_like(norm.bias))
    return network.eval()


@pytest.fixture(scope="module")
def graphs(network: SSD, recipe: Recipe, contract: DetectorContract) -> FloatGraphs:
    return export_float(network, contract, recipe.export.opset)


@pytest.fixture(scope="module")
def outputs(graphs: FloatGraphs) -> dict[str, list[int]]:
    """The shape of every output of the deployed graph, in the graph's order."""
    return {
        o.name: [d.dim_value for d in o.type.tensor_type.shape.dim]
        for o in graphs.simplified.graph.output
    }


def test_cost_counted_in_the_deployed_graph(graphs: FloatGraphs) -> None:
    expected = GraphCost(parameters=2_750_864, macs=618_007_664, convolutions=71)
    assert graph_cost(graphs.simplified) == expected


def test_simplifying_adds_and_removes_no_convolution(graphs: FloatGraphs) -> None:
    assert sum(node.op_type == "Conv" for node in graphs.exported.graph.node) == 71


def test_anchors_of_the_graph_are_those_of_the_runtime(
    outputs: dict[str, list[int]], contract: DetectorContract
) -> None:
    counted = sum(
        rows * columns * channels // 4
        for name, (_, rows, columns, channels) in outputs.items()
        if name.startswith("boxes_")
    )
    assert counted == len(all_anchors(contract)) == 3860


@pytest.mark.parametrize(("stride", "side"), LEVELS)
@pytest.mark.parametrize(("kind", "channels"), [("scores", 2 * 2), ("boxes", 2 * 4)])
def test_feature_maps_in_the_graph(
    outputs: dict[str, list[int]], kind: str, stride: int, side: int, channels: int
) -> None:
    assert outputs[f"{kind}_{stride}"] == [1, side, side, channels]


def test_outputs_are_scores_then_boxes_finest_first(outputs: dict[str, list[int]]) -> None:
    expected = [f"{kind}_{stride}" for kind in ("scores", "boxes") for stride, _ in LEVELS]
    assert list(outputs) == expected


def test_the_deployed_graph_is_pure(graphs: FloatGraphs) -> None:
    kinds = Counter(node.op_type for node in graphs.simplified.graph.node)
    assert kinds.keys() - {"Constant"} == {"Conv", "Clip", "Add", "Transpose"}
    assert kinds["Transpose"] == 2 * len(LEVELS)


def test_the_input_is_one_normalised_image(graphs: FloatGraphs) -> None:
    (image,) = graphs.simplified.graph.input
    assert image.name == "image"
    assert [d.dim_value for d in image.type.tensor_type.shape.dim] == [1, 3, 300, 300]


def test_the_graph_gives_what_the_network_gives_channels_last(
    graphs: FloatGraphs, network: SSD
) -> None:
    image = np.random.default_rng(0).normal(size=(1, 3, 300, 300)).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graphs.simplified.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    found = session.run(None, {"image": image})
    with torch.no_grad():
        scores, deltas = network(torch.from_numpy(image))
    for ours, theirs in zip((*scores, *deltas), found, strict=True):
        expected = ours.numpy().transpose(0, 2, 3, 1)  # [1, c, h, w] -> [1, h, w, c]
        assert float(np.ptp(expected)) > 0.01
        np.testing.assert_allclose(theirs, expected, atol=1e-4)


def test_forward_returns_raw_lists_a_level_and_nothing_else(network: SSD) -> None:
    with torch.no_grad():
        found = network(torch.zeros(2, 3, 300, 300))
    assert isinstance(found, tuple) and len(found) == 2
    for maps, channels in zip(found, (4, 8), strict=True):
        assert isinstance(maps, list)
        assert [tuple(m.shape) for m in maps] == [(2, channels, s, s) for _, s in LEVELS]


def test_raw_scores_of_a_new_network_say_background_but_are_no_probabilities(
    recipe: Recipe,
) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        scores, _ = network_of(recipe).eval()(torch.zeros(1, 3, 96, 96))
    pairs = torch.cat([s.permute(0, 2, 3, 1).reshape(-1, 2) for s in scores])
    probability = pairs.softmax(dim=1)[:, 0]
    torch.testing.assert_close(probability, torch.full_like(probability, 0.99), atol=5e-3, rtol=0)
    assert float(pairs.sum(dim=1).min()) > 4  # log(0.99 / 0.01) = 4.6; a softmax would sum to 1


@pytest.mark.parametrize(
    ("width", "height"), [(64, 64), (300, 300), (97, 131), (129, 65), (320, 192)]
)
def test_the_contract_knows_the_shapes_of_any_input_size(width: int, height: int) -> None:
    recipe = parse_recipe({"name": "t", "network": {"width": width, "height": height}}, "test")
    contract = contract_of(recipe)
    with torch.no_grad():
        scores, deltas = network_of(recipe).eval()(torch.zeros(1, 3, height, width))
    found = [(1, v.shape[2], v.shape[3], v.shape[1]) for v in (*scores, *deltas)]
    assert found == list(contract.output_shapes().values())


def test_three_classes_need_four_scores_an_anchor() -> None:
    recipe = load_recipe("bccd")
    contract = contract_of(recipe)
    assert contract.scores_per_anchor == 4
    with torch.no_grad():
        scores, _ = network_of(recipe).eval()(torch.zeros(1, 3, 64, 64))
    assert {s.shape[1] for s in scores} == {2 * 4}


def test_folding_batch_norms_leaves_the_outputs_equal(network: SSD) -> None:
    folded = copy.deepcopy(network)
    fold_batch_norms(folded)
    reset = copy.deepcopy(network)
    for module in reset.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
    assert not [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d)]
    image = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before, after, without = ([*chain(*n(image))] for n in (network, folded, reset))
    for a, b in zip(before, after, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)
    # The statistics matter: a fold that lost them could not pass.
    assert max(float((a - b).abs().max()) for a, b in zip(before, without, strict=True)) > 0.05


def test_folding_twice_is_folding_once(network: SSD) -> None:
    once = copy.deepcopy(network)
    fold_batch_norms(once)
    twice = copy.deepcopy(once)
    fold_batch_norms(twice)
    assert once.state_dict().keys() == twice.state_dict().keys()
    for a, b in zip(once.state_dict().values(), twice.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_exporting_leaves_the_network_as_it_was(recipe: Recipe) -> None:
    network = network_of(recipe)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    export_float(network, contract_of(recipe), recipe.export.opset)
    assert network.training
    assert before.keys() == network.state_dict().keys()
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_an_unknown_network_is_refused_with_the_known_ones() -> None:
    recipe = parse_recipe({"name": "t", "network": {"name": "resnet"}}, "test")
    for build in (contract_of, network_of):
        with pytest.raises(RecipeError, match=r"unknown network 'resnet'.*mb2_ssd_lite_f38"):
            build(recipe)


@pytest.mark.parametrize("levels", [0, 1, 3, 5])
def test_another_number_of_levels_is_refused(levels: int) -> None:
    recipe = parse_recipe({"name": "t", "network": {"anchors": [[[10, 10]]] * levels}}, "test")
    for build in (contract_of, network_of):
        with pytest.raises(RecipeError, match=f"has 4 levels.*anchors for {levels}$"):
            build(recipe)
    if levels != 3:
        with pytest.raises(RecipeError, match=f"has 3 to 4 levels, not {levels}"):
            build_network("mb2_ssd_lite_f38", HeadSpec(scores=2, anchors=(1,) * levels))
