"""A DLC as a network to be counted."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path

from ...errors import ArtifactError
from ...export.dlc_file import cost
from ...export.dlc_file.dtypes import numpy_dtype
from ...export.dlc_file.model import DlcGraph, DlcNode, DlcTensor
from ...export.dlc_file.reader import read_dlc
from .network import ACTIVATION, LAYER, VIEW, Network, Operation, fused

VIEWS = frozenset(
    {
        *("Transpose", "Permute", "Reshape", "Flatten", "Squeeze", "ExpandDims", "Cast"),
        *("Convert", "Quantize", "Dequantize", "Dropout"),
    }
)
ACTIVATIONS = frozenset({"Neuron", "Prelu", "PRelu", "Relu", "ReluMinMax", "ElementWiseNeuron"})
NO_WORK = frozenset({"Input", "Data", "Const"})
"""Nodes of older containers that stand for what the caller gives and for stored tensors."""


def load_dlc(path: Path) -> Network:
    """Read a DLC's layers; raises ArtifactError for one that is damaged or tells no shapes."""
    graph = read_dlc(path).model
    constants = {name for n in graph.nodes if n.type == "Const" for name in n.outputs}
    working = [node for node in graph.nodes if node.type not in NO_WORK]
    operations = [_operation(node, graph, constants) for node in working]
    inputs = [tensor.name for tensor in graph.inputs]
    outputs = [tensor.name for tensor in graph.outputs]
    flowing = {n for o in operations for n in (*o.inputs, *o.outputs)} | {*inputs, *outputs}
    elements = {}
    for name in flowing:
        tensor = graph.tensors.get(name)
        if tensor is None or not tensor.shape:
            raise ArtifactError(f"{path} does not tell the shape of {name}: it cannot be counted")
        elements[name] = tensor.element_count
    return fused(operations, elements, inputs, outputs)


def _operation(node: DlcNode, graph: DlcGraph, constants: Set[str]) -> Operation:
    given = [graph.tensors[name] for name in node.inputs if name in graph.tensors]
    stored = [t for t in given if t.kind == "static" or t.name in constants]
    known = {tensor.name for tensor in stored}
    kind = VIEW if node.type in VIEWS else ACTIVATION if node.type in ACTIVATIONS else LAYER
    # A view's stored tensor is a permutation or a shape.
    counted = kind != VIEW
    return Operation(
        name=node.name,
        type=node.type,
        kind=kind,
        inputs=tuple(name for name in node.inputs if name not in known),
        outputs=node.outputs,
        parameters=cost.parameters(node, graph) if counted else 0,
        macs=cost.macs(node, graph),
        weight_bytes=_bytes([*stored, *node.parameters.values()]) if counted else 0,
    )


def _bytes(tensors: list[DlcTensor]) -> int:
    """Return what real numbers take as stored; a 4-bit one is stored as a byte."""
    total = 0
    for tensor in tensors:
        dtype = numpy_dtype(tensor.dtype)
        if dtype is not None and tensor.dtype.startswith(cost.NUMERIC):
            total += tensor.element_count * dtype.itemsize
    return total
