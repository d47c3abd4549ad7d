"""rfb320: as large as the published network, trainable, and pure once exported."""

from __future__ import annotations

import os
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from hexdet.evaluation.graph_cost import graph_cost
from hexdet.export.onnx_graph import export_float
from hexdet.quantization.cpu_session import cpu_session
from hexdet.recipe import Recipe, load_recipe
from hexdet.runtime.anchors import all_anchors
from hexdet.training.checkpoint import network_of
from hexdet.training.contract import contract_of
from hexdet.training.networks import SSD
from hexdet.training.networks.layers import ConvBlock

TWIN = (
    Path(os.environ.get("HEXDET_DATA") or "data").parent
    / "models/ultra_light_face/version-RFB-320_simplified.onnx"
)
MAPS = ((30, 40), (15, 20), (8, 10), (4, 5))
"""Rows and columns of the levels at 320x240."""


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("rfb320")


@pytest.fixture(scope="module")
def network(recipe: Recipe) -> SSD:
    torch.manual_seed(0)
    network = network_of(recipe)
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 240, 320))
    return network.eval()


@pytest.fixture(scope="module")
def exported(network: SSD, recipe: Recipe) -> onnx.ModelProto:
    return export_float(network, contract_of(recipe), recipe.export.opset).simplified


def test_maps_and_anchors(network: SSD, recipe: Recipe) -> None:
    contract = contract_of(recipe)
    with torch.no_grad():
        scores, deltas = network(torch.zeros(1, 3, 240, 320))
    found = [(1, v.shape[2], v.shape[3], v.shape[1]) for v in (*scores, *deltas)]
    assert found == list(contract.output_shapes().values())
    assert [shape[1:3] for shape in found[:4]] == list(MAPS)
    assert len(all_anchors(contract)) == 4420


def test_it_costs_what_the_published_one_costs(exported: onnx.ModelProto) -> None:
    cost = graph_cost(exported)
    assert cost.convolutions == 52
    if not TWIN.is_file():
        pytest.skip(f"no published network at {TWIN}: set HEXDET_DATA")
    assert cost == graph_cost(onnx.load(TWIN))


def test_the_exported_graph_is_the_network(
    exported: onnx.ModelProto, network: SSD, recipe: Recipe
) -> None:
    kinds = Counter(node.op_type for node in exported.graph.node)
    assert kinds.keys() - {"Constant"} == {"Conv", "Relu", "Add", "Concat", "Transpose"}
    image = np.random.default_rng(0).normal(size=(1, 3, 240, 320)).astype(np.float32)
    names = list(contract_of(recipe).output_shapes())
    found = cpu_session(exported).run(names, {"image": image})
    with torch.no_grad():
        outputs = network(torch.from_numpy(image))
    for ours, theirs in zip(chain(*outputs), found, strict=True):
        expected = ours.numpy().transpose(0, 2, 3, 1)  # [1, c, h, w] -> [1, h, w, c]
        np.testing.assert_allclose(theirs, expected, atol=1e-4)


def test_every_weight_is_trained(recipe: Recipe) -> None:
    torch.manual_seed(1)
    network = network_of(recipe).train()
    outputs = network(torch.randn(2, 3, 240, 320))
    sum(v.square().mean() for v in chain(*outputs)).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


def test_it_has_relu_and_no_relu6(network: SSD) -> None:
    kinds = Counter(type(m.act) for m in network.modules() if isinstance(m, ConvBlock))
    assert set(kinds) == {nn.ReLU, nn.Identity}
