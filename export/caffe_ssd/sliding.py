"""Layers with a window or weights: convolution, pooling, and norms that stay."""

from __future__ import annotations

from collections.abc import Callable

from .folding import CONVOLUTIONS, affine_of
from .graph import Graph
from .reading import Layer
from .shapes import Pair, Shape, Window, convolution_window, pooling_window

POOL_MAX = 0


def convolution(graph: Graph, layer: Layer) -> Shape:
    """Add a convolution; one of the depthwise types has a group for each channel."""
    section = layer.parameters.convolution_param
    window = convolution_window(section)
    n, channels, rows, columns = graph.image_shape(layer)
    group = section.group if layer.kind == "Convolution" else channels
    outputs = section.num_output
    if not outputs or not group or channels % group or outputs % group:
        raise graph.wrong(layer, f"makes {outputs} of {channels} channels in {group} groups")
    if section.axis != 1:
        raise graph.wrong(layer, f"runs along axis {section.axis}: not imported")
    size = _slid(graph, layer, window, (rows, columns))
    shapes: list[Shape] = [(outputs, channels // group, *window.kernel)]
    if section.bias_term or layer.name in graph.folded.into:
        shapes.append((outputs,))
    names = (f"{layer.name}.weight", f"{layer.name}.bias")
    constants = [
        graph.constant(name, blob)
        for name, blob in zip(names, graph.blobs(layer, shapes), strict=False)
    ]
    graph.node(
        "Conv",
        layer,
        [graph.source(layer), *constants],
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=[*window.pad, *window.pad],
        dilations=window.dilation,
        group=group,
    )
    return (n, outputs, *size)


def pooling(graph: Graph, layer: Layer) -> Shape:
    """Add a pooling, whose last window Caffe lets reach over the edge."""
    section = layer.parameters.pooling_param
    n, channels, rows, columns = graph.image_shape(layer)
    window = pooling_window(section, (rows, columns))
    ceil = section.ceil_mode and not section.global_pooling
    size = _slid(graph, layer, window, (rows, columns), ceil=ceil)
    over = size != window.output((rows, columns))
    if section.pool != POOL_MAX and (over or window.pad != (0, 0)):
        raise graph.wrong(layer, "averages windows that reach over the edge: not imported")
    graph.node(
        "MaxPool" if section.pool == POOL_MAX else "AveragePool",
        layer,
        [graph.source(layer)],
        kernel_shape=window.kernel,
        strides=window.stride,
        pads=[*window.pad, *window.pad],
        ceil_mode=int(over),
    )
    return (n, channels, *size)


def affine(graph: Graph, layer: Layer) -> Shape:
    """Add a BatchNorm or Scale that no convolution could take in."""
    shape = graph.image_shape(layer)
    where = f"{graph.weights_path}: layer {layer.name} ({layer.kind})"
    values = affine_of(layer, graph.folded.weights, shape[1], where)
    factor = graph.constant(f"{layer.name}.factor", values.factor.reshape(1, -1, 1, 1))
    summand = graph.constant(f"{layer.name}.summand", values.summand.reshape(1, -1, 1, 1))
    product = graph.step("Mul", f"{layer.name}/product", [graph.source(layer), factor])
    graph.node("Add", layer, [product, summand])
    return shape


def normalize(graph: Graph, layer: Layer) -> Shape:
    """Divide each pixel by the L2 norm of its channels, then scale the channels."""
    section = layer.parameters.norm_param
    shape = graph.image_shape(layer)
    if section.across_spatial:
        raise graph.wrong(layer, "normalises across the image: not imported")
    (scale,) = graph.blobs(layer, [(1 if section.channel_shared else shape[1],)])
    factor = graph.constant(f"{layer.name}.scale", scale.reshape(1, -1, 1, 1))
    # Along the last axis the HTP has it as one operator; the transposes cancel with its layout.
    rows = graph.step(
        "Transpose", f"{layer.name}/rows", [graph.source(layer)], perm=[0, 2, 3, 1]
    )  # [n, c, h, w] -> [n, h, w, c]
    unit = graph.step("LpNormalization", f"{layer.name}/unit", [rows], axis=-1, p=2)
    back = graph.step("Transpose", f"{layer.name}/back", [unit], perm=[0, 3, 1, 2])
    graph.node("Mul", layer, [back, factor])
    return shape


def _slid(graph: Graph, layer: Layer, window: Window, size: Pair, *, ceil: bool = False) -> Pair:
    if min(*window.kernel, *window.stride, *window.dilation) < 1:
        raise graph.wrong(layer, "needs a kernel, a stride and a dilation of at least 1")
    result = window.output(size, ceil=ceil)
    if min(result) < 1:
        raise graph.wrong(layer, f"has a window larger than its input of {size}")
    return result


SLIDING: dict[str, Callable[[Graph, Layer], Shape]] = {
    **dict.fromkeys(CONVOLUTIONS, convolution),
    "BatchNorm": affine,
    "Normalize": normalize,
    "Pooling": pooling,
    "Scale": affine,
}
