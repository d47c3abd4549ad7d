"""An ONNX graph, float or QDQ, as a network to be counted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import onnx

from ...errors import ArtifactError
from .network import ACTIVATION, LAYER, VIEW, Network, Operation, fused

VIEWS = frozenset(
    {
        *("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Cast"),
        *("Dropout", "QuantizeLinear", "DequantizeLinear"),
    }
)
ACTIVATIONS = frozenset(
    {
        *("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Sigmoid", "HardSigmoid"),
        *("HardSwish", "Tanh", "Softplus", "Gelu", "Exp", "Abs", "Neg", "Sqrt"),
    }
)
PARAMETRIC = frozenset(
    {
        *("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "PRelu", "Add", "Sub"),
        *("Mul", "Div", "InstanceNormalization", "LayerNormalization"),
    }
)
"""Whose stored inputs are parameters; elsewhere (Clip, Resize, Slice) they are settings."""

Shape = tuple[int, ...]


def load_onnx(path: Path) -> Network:
    """Read a graph's layers; raises ArtifactError for one that cannot be counted.

    That is: damaged, with shapes that are not fixed, or with branches and loops.
    """
    try:
        model = onnx.load(path)
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # protobuf's and onnx's exceptions share no base
        raise ArtifactError(f"{path} cannot be read as ONNX: {error}") from error
    return _Reader(inferred.graph, str(path)).network()


class _Reader:
    """Walks a graph's nodes in order and tells what is stored from what flows."""

    def __init__(self, graph: onnx.GraphProto, where: str) -> None:
        self._graph, self._where = graph, where
        # name -> (shape, bytes as stored); what is computed of constants alone is constant, too.
        self._stored: dict[str, tuple[Shape, int]] = {
            tensor.name: (tuple(tensor.dims), _stored_bytes(tensor)) for tensor in graph.initializer
        }
        values = [*graph.input, *graph.value_info, *graph.output]
        self._shapes: Mapping[str, Shape] = {
            v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim) for v in values
        }

    def network(self) -> Network:
        """Return the network of the graph."""
        operations = [o for node in self._graph.node if (o := self._operation(node)) is not None]
        inputs = [v.name for v in self._graph.input if v.name not in self._stored]
        outputs = [v.name for v in self._graph.output]
        flowing = {n for o in operations for n in (*o.inputs, *o.outputs)} | {*inputs, *outputs}
        elements = {name: math.prod(self._shape(name)) for name in flowing}
        return fused(operations, elements, inputs, outputs)

    def _operation(self, node: onnx.NodeProto) -> Operation | None:
        """Return a node as an operation, None for one that only makes constants."""
        if any(a.type in (a.GRAPH, a.GRAPHS) for a in node.attribute):
            raise ArtifactError(f"{self._where} has a {node.op_type}: branches cannot be counted")
        given = [name for name in node.input if name]  # an absent input may be named ""
        if all(name in self._stored for name in given):
            self._keep(node, given)
            return None
        stored = [self._stored[name] for name in given if name in self._stored]
        parametric = node.op_type in PARAMETRIC
        return Operation(
            name=node.name or node.output[0],
            type=node.op_type,
            kind=_kind(node.op_type),
            inputs=tuple(name for name in given if name not in self._stored),
            outputs=tuple(name for name in node.output if name in self._shapes),
            parameters=sum(math.prod(shape) for shape, _ in stored) if parametric else 0,
            macs=self._macs(node),
            weight_bytes=sum(size for _, size in stored) if parametric else 0,
        )

    def _keep(self, node: onnx.NodeProto, given: list[str]) -> None:
        """Remember what a node computes of constants: a weight that is unpacked stays itself."""
        if given and node.op_type in VIEWS:
            shape, size = self._stored[given[0]]
            self._stored[node.output[0]] = (self._shapes.get(node.output[0]) or shape, size)
            return
        for name in node.output:
            self._stored[name] = (self._shapes.get(name, ()), 0)

    def _macs(self, node: onnx.NodeProto) -> int:
        """Return a node's multiply-accumulates; ArtifactError where a shape is not fixed."""
        if node.op_type == "Conv":
            # [outputs, inputs / groups, height, width]: all but the outputs, for each output
            return math.prod(self._shape(node.output[0])) * math.prod(
                self._shape(node.input[1])[1:]
            )
        if node.op_type == "ConvTranspose":
            # [inputs, outputs / groups, height, width]: all but the inputs, for each input
            return math.prod(self._shape(node.input[0])) * math.prod(self._shape(node.input[1])[1:])
        if node.op_type in ("Gemm", "MatMul"):
            turned = any(a.name == "transA" and a.i for a in node.attribute)
            inner = self._shape(node.input[0])[-2 if turned else -1]
            return math.prod(self._shape(node.output[0])) * inner
        return 0

    def _shape(self, name: str) -> Shape:
        if name in self._stored:
            return self._stored[name][0]
        shape = self._shapes.get(name)
        if shape is None or any(side < 1 for side in shape):
            raise ArtifactError(f"{self._where}: the shape of {name} is not fixed: export again")
        return shape


def _kind(type_: str) -> str:
    return VIEW if type_ in VIEWS else ACTIVATION if type_ in ACTIVATIONS else LAYER


def _stored_bytes(tensor: onnx.TensorProto) -> int:
    itemsize = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(math.prod(tensor.dims) * itemsize)
