"""Parameters and multiply-accumulates of an ONNX graph, counted from the graph itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Set
from dataclasses import dataclass

import onnx

from ..errors import ArtifactError


@dataclass(frozen=True, kw_only=True)
class GraphCost:
    """What a float graph holds and does for one image.

    parameters: weights and biases of its convolutions; macs: multiply-accumulates, bias
        additions not counted, as Qualcomm's dlc-info counts them.
    """

    parameters: int
    macs: int
    convolutions: int


def graph_cost(model: onnx.ModelProto) -> GraphCost:
    """Count a float graph; raises ArtifactError where shapes or weights are not fixed."""
    counts = [(parameters, macs) for _, parameters, macs in _convolutions(model)]
    return GraphCost(
        parameters=sum(parameters for parameters, _ in counts),
        macs=sum(macs for _, macs in counts),
        convolutions=len(counts),
    )


def wide_macs(model: onnx.ModelProto, wide: Set[str]) -> float:
    """Return the share, 0 to 1, of a float graph's MACs that read one of the named tensors."""
    counts = [(node.input[0], macs) for node, _, macs in _convolutions(model)]
    total = sum(macs for _, macs in counts)
    return sum(macs for tensor, macs in counts if tensor in wide) / total if total else 0.0


def _convolutions(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, int, int]]:
    """Yield each convolution with its parameters and its multiply-accumulates."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*inferred.value_info, *inferred.output]
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    sizes = {i.name: list(i.dims) for i in inferred.initializer}
    for node in inferred.node:
        if node.op_type != "Conv":
            continue
        weights = [name for name in node.input[1:] if name]  # an absent bias may be named ""
        if any(name not in sizes for name in weights):
            raise ArtifactError(f"the weights of {node.output[0]} are not fixed: export again")
        weight = sizes[weights[0]]  # [outputs, inputs / groups, height, width]
        output = shapes.get(node.output[0], [])
        if not output or min(output) < 1:
            raise ArtifactError(f"the shape of {node.output[0]} is not fixed: export again")
        parameters = sum(math.prod(sizes[name]) for name in weights)
        yield node, parameters, math.prod(output) * math.prod(weight[1:])
