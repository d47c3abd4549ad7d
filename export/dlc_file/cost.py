"""Parameters and multiply-accumulates of a DLC's nodes, from the file alone."""

from __future__ import annotations

from math import prod

from .model import DlcGraph, DlcNode, DlcTensor

# Weights of a convolution lie in the DLC as (height, width, channels in / group, channels out),
# those of a fully connected layer as (channels out, channels in).
_CONVOLUTIONS = frozenset({"Conv2d", "DepthWiseConv2d", "Convolutional"})
_TRANSPOSED = frozenset({"TransposeConv2d"})
_DENSE = frozenset({"FullyConnected"})
_PRODUCTS = frozenset({"MatMul"})
_CONSTANT = "Const"
NUMERIC = ("Float", "sFxp", "uFxp")


def parameters(node: DlcNode, graph: DlcGraph) -> int:
    """Return the number of stored real numbers that a node takes: weights, biases, constants.

    Two nodes that share a stored tensor count it each; a node that is a constant leaves it to
    those that take it. Integers (axes, indices) do not count.
    """
    if node.type == _CONSTANT:
        return 0
    own = [*node.parameters.values()]
    return sum(
        tensor.element_count
        for tensor in [*_stored_inputs(node, graph), *own]
        if tensor.dtype.startswith(NUMERIC)
    )


def macs(node: DlcNode, graph: DlcGraph) -> int:
    """Return the multiply-accumulates of a node, padding included; 0 for other operations.

    As snpe-dlc-info counts: kernel height x kernel width x channels in / group x outputs for a
    convolution, channels in x outputs for a fully connected layer.
    """
    output = graph.tensors.get(node.outputs[0]) if node.outputs else None
    if output is None:
        return 0
    if node.type in _PRODUCTS:
        return _matrix_product(node, graph, output)
    weights = _weights(node, graph)
    if weights is None or not all(weights.shape):
        return 0
    shape = weights.shape
    if node.type in _CONVOLUTIONS and len(shape) == 4:
        return output.element_count * prod(shape[:3])
    if node.type in _TRANSPOSED and len(shape) == 4:
        given = graph.tensors.get(node.inputs[0])
        return 0 if given is None else given.element_count * shape[0] * shape[1] * shape[3]
    if node.type in _DENSE and len(shape) == 2:
        return output.element_count * shape[1]
    return 0


def _stored_inputs(node: DlcNode, graph: DlcGraph) -> list[DlcTensor]:
    found = (graph.tensors.get(name) for name in node.inputs)
    return [tensor for tensor in found if tensor is not None and tensor.kind == "static"]


def _weights(node: DlcNode, graph: DlcGraph) -> DlcTensor | None:
    """Return the weights: an attribute in containers v2 and v3, the second input in v4."""
    own = node.parameters.get("weights_0")
    if own is not None or len(node.inputs) < 2:
        return own
    return graph.tensors.get(node.inputs[1])


def _matrix_product(node: DlcNode, graph: DlcGraph, output: DlcTensor) -> int:
    left = graph.tensors.get(node.inputs[0]) if node.inputs else None
    if left is None or len(left.shape) < 2:
        return 0
    inner = left.shape[-2 if node.attributes.get("transpose_in0") else -1]
    return output.element_count * inner
