"""A MobileNetV2 classifier's folded weights, as the backbone of the networks that have one."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from ...errors import ArtifactError, RecipeError
from ...runtime.contract import InputSpec
from ..networks import SSD
from ..networks.layers import ConvBlock
from ..networks.mobilenet_v2 import MobileNetV2
from .described_graph import DescribedGraph, FoldedConvolution
from .normalisation import for_input
from .reopening import reopen, set_folded


def fill_backbone(network: SSD, graph: DescribedGraph, spec: InputSpec) -> str:
    """Give a network's MobileNetV2 the weights of a classifier; return the backbone's name.

    The pixel normalisation of `spec` may differ from the one the weights were trained with: the
    difference goes into the first convolution. Raises RecipeError where the network has no such
    backbone, ArtifactError, naming the layer, where the graph is no MobileNetV2 of its width.
    """
    found = [(name, m) for name, m in network.named_modules() if isinstance(m, MobileNetV2)]
    if not found:
        raise RecipeError(
            f"network.name: the network of this recipe has no MobileNetV2 as its backbone, "
            f"{graph.path} is the weights of one"
        )
    name: str = found[0][0]
    backbone = found[0][1]
    blocks = blocks_of(backbone)
    theirs = graph.convolutions
    if len(theirs) not in (len(blocks), len(blocks) + 1):
        raise ArtifactError(
            f"{graph.path} has {len(theirs)} convolutions, the recipe's MobileNetV2 {len(blocks)} "
            f"and a classifier one more"
        )
    for block, given in zip(blocks, theirs, strict=False):
        _check_same(block, given, graph)
        weight, bias = torch.from_numpy(given.weight), torch.from_numpy(given.bias)
        if block is blocks[0]:
            weight, bias = for_input(weight, bias, graph.normalisation, spec)
        set_folded(block, weight, bias)
    return name


def reopen_backbone(network: SSD, name: str, batches: Iterable[Tensor]) -> None:
    """Give the filled backbone batch norms that can be trained: see `reopen`."""
    backbone = network.get_submodule(name)
    reopen(backbone, blocks_of(backbone), batches)


def blocks_of(backbone: torch.nn.Module) -> list[ConvBlock]:
    """Return the backbone's convolutions in the order in which an image passes them."""
    return [m for m in backbone.modules() if isinstance(m, ConvBlock)]


def _check_same(block: ConvBlock, given: FoldedConvolution, graph: DescribedGraph) -> None:
    own = block.conv
    ours = (tuple(own.weight.shape), own.stride[0], isinstance(block.act, torch.nn.Identity))
    if ours != (given.weight.shape, given.stride, not given.relu6):
        raise ArtifactError(
            f"{graph.path}: {given.name} is {_say(given.weight.shape, given.stride, given.relu6)}, "
            f"in the recipe's MobileNetV2 it is {_say(ours[0], ours[1], not ours[2])}"
        )


def _say(shape: tuple[int, ...], stride: int, relu6: bool) -> str:
    return f"{list(shape)} at stride {stride} {'with' if relu6 else 'without'} ReLU6"
