"""Layers without weights: activations, sums, and those that lay values out anew."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .graph import Graph
from .reading import Layer
from .shapes import Shape, concatenated, reshaped

OPERATIONS = {0: "Mul", 1: "Sum", 2: "Max"}
"""Of an Eltwise layer, by Caffe's number."""


def relu(graph: Graph, layer: Layer) -> Shape:
    """Add a ReLU, leaky where it has a slope."""
    slope = layer.parameters.relu_param.negative_slope
    if slope:
        graph.node("LeakyRelu", layer, [graph.source(layer)], alpha=slope)
    else:
        graph.node("Relu", layer, [graph.source(layer)])
    return graph.shape(layer)


def relu6(graph: Graph, layer: Layer) -> Shape:
    """Add a ReLU6."""
    ends = [
        graph.constant(f"{layer.name}/{end}", np.asarray(value, np.float32))
        for end, value in (("min", 0.0), ("max", 6.0))
    ]
    graph.node("Clip", layer, [graph.source(layer), *ends])
    return graph.shape(layer)


def sigmoid(graph: Graph, layer: Layer) -> Shape:
    """Add a sigmoid."""
    graph.node("Sigmoid", layer, [graph.source(layer)])
    return graph.shape(layer)


def softmax(graph: Graph, layer: Layer) -> Shape:
    """Add a softmax along one axis."""
    axis = graph.axis(layer, layer.parameters.softmax_param.axis)
    graph.node("Softmax", layer, [graph.source(layer)], axis=axis)
    return graph.shape(layer)


def dropout(graph: Graph, layer: Layer) -> Shape:
    """Add nothing: outside a training a dropout passes its input on."""
    graph.node("Identity", layer, [graph.source(layer)])
    return graph.shape(layer)


def eltwise(graph: Graph, layer: Layer) -> Shape:
    """Add the sum, the product or the maximum of two inputs of one shape."""
    section = layer.parameters.eltwise_param
    shapes = sorted({graph.shapes[blob] for blob in layer.inputs})
    if len(shapes) != 1 or len(layer.inputs) != 2:
        raise graph.wrong(layer, f"joins {len(layer.inputs)} inputs of the shapes {shapes}")
    if any(coefficient != 1 for coefficient in section.coeff):
        raise graph.wrong(layer, f"has the coefficients {list(section.coeff)}: not imported")
    kind = OPERATIONS[section.operation]
    sources = [graph.tensor(blob) for blob in layer.inputs]
    graph.node("Add" if kind == "Sum" else kind, layer, sources)
    return shapes[0]


def concat(graph: Graph, layer: Layer) -> Shape:
    """Join the inputs along an axis, the channels where none is said."""
    section = layer.parameters.concat_param
    axis = graph.axis(layer, section.axis if section.HasField("axis") else section.concat_dim)
    shapes = [graph.shapes[blob] for blob in layer.inputs]
    shape = concatenated(shapes, axis)
    if shape is None:
        raise graph.wrong(layer, f"joins the shapes {shapes} along axis {axis}")
    graph.node("Concat", layer, [graph.tensor(blob) for blob in layer.inputs], axis=axis)
    return shape


def permute(graph: Graph, layer: Layer) -> Shape:
    """Put the axes into another order; those that are not named follow as they were."""
    shape = graph.shape(layer)
    said = list(layer.parameters.permute_param.order)
    order = said + [axis for axis in range(len(shape)) if axis not in said]
    if sorted(order) != list(range(len(shape))):
        raise graph.wrong(layer, f"has the order {said} for the shape {shape}")
    graph.node("Transpose", layer, [graph.source(layer)], perm=order)
    return tuple(shape[axis] for axis in order)


def flatten(graph: Graph, layer: Layer) -> Shape:
    """Make one axis of several."""
    section = layer.parameters.flatten_param
    shape = graph.shape(layer)
    first, last = graph.axis(layer, section.axis), graph.axis(layer, section.end_axis)
    if last < first:
        raise graph.wrong(layer, f"ends at axis {last}, before its first, {first}")
    wanted = (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :])
    return _lay_out(graph, layer, wanted)


def reshape(graph: Graph, layer: Layer) -> Shape:
    """Lay the whole input out in another shape."""
    section = layer.parameters.reshape_param
    if section.axis or section.num_axes != -1:
        raise graph.wrong(layer, "reshapes some axes only: not imported")
    shape = graph.shape(layer)
    wanted = reshaped(shape, section.shape.dim)
    if wanted is None:
        raise graph.wrong(layer, f"cannot make {list(section.shape.dim)} of {shape}")
    return _lay_out(graph, layer, wanted)


def _lay_out(graph: Graph, layer: Layer, wanted: Shape) -> Shape:
    name = graph.constant(f"{layer.name}/shape", np.asarray(wanted, np.int64))
    graph.node("Reshape", layer, [graph.source(layer), name])
    return wanted


POINTWISE: dict[str, Callable[[Graph, Layer], Shape]] = {
    "Concat": concat,
    "Dropout": dropout,
    "Eltwise": eltwise,
    "Flatten": flatten,
    "Permute": permute,
    "ReLU": relu,
    "ReLU6": relu6,
    "Reshape": reshape,
    "Sigmoid": sigmoid,
    "Softmax": softmax,
}
