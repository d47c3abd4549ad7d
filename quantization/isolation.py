"""Layers taken out of their network: each computed alone, from inputs that are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from .cpu_session import cpu_session
from .encodings import code_tensors
from .layers import Pixels, Values, expose, exposed_shapes

GIVEN = "_given"

Tensors = dict[str, npt.NDArray[Any]]


def isolate(
    base: onnx.ModelProto, names: Sequence[str]
) -> Callable[[Mapping[str, npt.NDArray[Any]]], Tensors]:
    """Return a function that computes every layer of a graph, float or integer, from given inputs.

    names: of the tensors where one layer ends and the next begins. The function takes the graph's
    input and the value of each tensor, under its name with GIVEN behind it, and returns what each
    layer makes of them, by name.
    """
    cut = onnx.ModelProto()
    cut.CopyFrom(base)
    known = set(names)
    for node in cut.graph.node:
        for index, name in enumerate(node.input):
            if name in known:
                node.input[index] = name + GIVEN
    inferred = onnx.shape_inference.infer_shapes(base, strict_mode=True).graph
    shapes = {v.name: v for v in [*inferred.value_info, *inferred.output]}
    for name in names:
        given = onnx.ValueInfoProto()
        given.CopyFrom(shapes[name])
        given.name = name + GIVEN
        cut.graph.input.append(given)
    del cut.graph.output[:]
    cut.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    session = cpu_session(cut)
    wanted = {value.name for value in session.get_inputs()}

    def run(feed: Mapping[str, npt.NDArray[Any]]) -> Tensors:
        values = session.run(list(names), {name: v for name, v in feed.items() if name in wanted})
        return dict(zip(names, values, strict=True))

    return run


def alone_on_cpu(model: onnx.ModelProto, given: Values, pixels: Pixels) -> Values:
    """Return what the CPU makes of each layer alone, from the codes that another side had there.

    given: the codes of every activation on that side; nothing accumulates from layer to layer.
    """
    names = list(exposed_shapes(expose(model)))
    return isolate(model, names)({"image": pixels, **{name + GIVEN: given[name] for name in names}})


def with_integer_weights(
    base: onnx.ModelProto, integer: onnx.ModelProto, *, biases_only: bool = False
) -> onnx.ModelProto:
    """Return the float graph with the weights and biases that the integer graph's codes stand for.

    biases_only: with its biases, which are the int32 codes, and the float graph's own weights.
    """
    codes = {i.name: numpy_helper.to_array(i) for i in integer.graph.initializer}
    tensors = code_tensors(integer)
    model = onnx.ModelProto()
    model.CopyFrom(base)
    for initializer in model.graph.initializer:
        tensor = tensors.get(initializer.name)
        if tensor is None or tensor.codes not in codes:
            continue
        values = codes[tensor.codes]
        if biases_only and values.dtype != np.int32:
            continue
        along = (-1, *(1 for _ in values.shape[1:])) if tensor.scale.ndim else ()
        scale, zero = tensor.scale.reshape(along), tensor.zero_point.reshape(along)
        real = (values.astype(np.float64) - zero.astype(np.float64)) * scale
        initializer.CopyFrom(numpy_helper.from_array(real.astype(np.float32), initializer.name))
    return model
