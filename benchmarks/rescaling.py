"""The same network with channels of very different sizes: what per-tensor INT8 cannot hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from ..errors import ArtifactError


def rescale_channels(model: onnx.ModelProto, *, factor: float, seed: int) -> onnx.ModelProto:
    """Return a float graph of the same function whose channels are scaled by up to `factor`.

    Wherever a convolution feeds one other, directly or through a ReLU, each of its channels is
    multiplied by a number drawn log-uniformly from [1 / factor, factor], and what reads it divided
    by the same. Deterministic by `seed`. Raises ArtifactError where there is no such pair.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    pairs = _pairs(result)
    if not pairs:
        raise ArtifactError("the graph has no two convolutions with at most a ReLU between them")
    constants = {value.name: value for value in result.graph.initializer}
    rng = np.random.default_rng(seed)
    for first, second in pairs:
        channels = constants[first.input[1]].dims[0]
        scale = factor ** rng.uniform(-1, 1, channels)
        for name in first.input[1:]:
            _multiply(constants[name], scale, axis=0)
        # A depthwise weight is [channels, 1, h, w]; any other [outputs, channels, h, w].
        _multiply(constants[second.input[1]], 1 / scale, axis=0 if _groups(second) > 1 else 1)
    return result


def _pairs(model: onnx.ModelProto) -> list[tuple[onnx.NodeProto, onnx.NodeProto]]:
    """Return the convolutions whose only reader is another, depthwise or not grouped at all."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    shapes = {value.name: list(value.dims) for value in model.graph.initializer}
    outputs = {output.name for output in model.graph.output}
    pairs = []
    for first in model.graph.node:
        if first.op_type != "Conv":
            continue
        name = first.output[0]
        after = readers.get(name, [])
        if len(after) == 1 and after[0].op_type == "Relu" and name not in outputs:
            name = after[0].output[0]
            after = readers.get(name, [])
        if len(after) != 1 or after[0].op_type != "Conv" or name in outputs:
            continue
        second, channels = after[0], shapes[first.input[1]][0]
        depthwise = _groups(second) == channels == shapes[second.input[1]][0]
        if depthwise or _groups(second) == 1:
            pairs.append((first, second))
    return pairs


def _groups(node: onnx.NodeProto) -> int:
    return next((int(a.i) for a in node.attribute if a.name == "group"), 1)


def _multiply(value: onnx.TensorProto, scale: npt.NDArray[Any], axis: int) -> None:
    array = numpy_helper.to_array(value).astype(np.float64)
    shape = [-1 if i == axis else 1 for i in range(array.ndim)]
    scaled = (array * scale.reshape(shape)).astype(np.float32)
    value.CopyFrom(numpy_helper.from_array(scaled, value.name))
