"""The user's ONNX graph as a converter takes it: cut, shaped, and laid out as its DLC will be."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hexdet.quantization.graph_edits import TO_NCHW, TO_NHWC

UNSUPPORTED = frozenset({"If", "Loop", "Scan", "NonZero", "Multinomial", "StringNormalizer"})
CHANNELS_FIRST = frozenset({"Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool"})
KEEPING = frozenset(
    {"Relu", "Clip", "Sigmoid", "HardSwish", "HardSigmoid", "Add", "Mul", "BatchNormalization",
     "LeakyRelu", "Concat", "Resize", "Tanh", "Elu"}
)  # fmt: skip


class ConversionError(Exception):
    """The converter cannot take the graph."""


def load_graph(
    path: Path, dims: Mapping[str, Sequence[int]], outputs: Sequence[str]
) -> onnx.ModelProto:
    """Return a graph with static shapes, cut at the wanted outputs; ConversionError where not."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:
        raise ConversionError(f"Unable to load the ONNX model {path}: {error}") from None
    for node in model.graph.node:
        if node.op_type in UNSUPPORTED or node.domain not in ("", "ai.onnx"):
            raise ConversionError(
                f"No translation registered for op type onnx_{node.op_type.lower()}. "
                f"Op version: {model.opset_import[0].version}, node name: {node.name}"
            )
    if outputs:
        model = _cut(model, outputs)
    _set_dims(model, dims)
    for value in inputs_of(model):
        if any(d < 1 for d in shape_of(value)):
            raise ConversionError(
                f"Model input {value.name} has the dynamic shape {shape_of(value)}: give it one"
            )
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    del model.graph.output[:]
    model.graph.output.extend(inferred.graph.output)
    return model


def inputs_of(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Return the graph inputs that are no initializers."""
    constants = {i.name for i in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def shape_of(value: onnx.ValueInfoProto) -> list[int]:
    """Return the dimensions, 0 for one that is not known."""
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _cut(model: onnx.ModelProto, outputs: Sequence[str]) -> onnx.ModelProto:
    by_node = {node.name: node.output[0] for node in model.graph.node if node.name}
    known = {name for node in model.graph.node for name in node.output}
    wanted = [name if name in known else by_node.get(name, "") for name in outputs]
    if "" in wanted:
        raise ConversionError(f"Output {outputs[wanted.index('')]} is not in the graph")
    with tempfile.TemporaryDirectory(prefix="sdk-standin-") as folder:
        source, result = Path(folder, "a.onnx"), Path(folder, "b.onnx")
        onnx.save(onnx.shape_inference.infer_shapes(model), source)
        names = [value.name for value in inputs_of(model)]
        onnx.utils.extract_model(str(source), str(result), names, wanted)
        return onnx.load(result)


def _set_dims(model: onnx.ModelProto, dims: Mapping[str, Sequence[int]]) -> None:
    values = {value.name: value for value in inputs_of(model)}
    for name, sizes in dims.items():
        if name not in values:
            raise ConversionError(f"Input {name} is not an input of the graph")
        shape = values[name].type.tensor_type.shape
        if len(shape.dim) != len(sizes):
            raise ConversionError(f"Input {name} has {len(shape.dim)} dimensions, not {len(sizes)}")
        for dim, size in zip(shape.dim, sizes, strict=True):
            dim.dim_value = size
    if dims:
        del model.graph.value_info[:]
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")


def channels_last(
    model: onnx.ModelProto, inputs: Collection[str], outputs: Collection[str]
) -> onnx.ModelProto:
    """Return the graph with these inputs and outputs, NCHW in it, as NHWC."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for value in result.graph.input:
        name = value.name
        if name in inputs:
            inner = f"{name}_nchw"
            rename(result, name, inner)
            value.CopyFrom(_turned(value, name))
            node = helper.make_node("Transpose", [name], [inner], name=inner, perm=TO_NCHW)
            result.graph.node.insert(0, node)
    for value in result.graph.output:
        name = value.name
        if name in outputs:
            inner = f"{name}_nchw"
            rename(result, name, inner)
            value.CopyFrom(_turned(value, name))
            node = helper.make_node("Transpose", [inner], [name], name=name, perm=TO_NHWC)
            result.graph.node.append(node)
    return result


def turns_input(value: onnx.ValueInfoProto) -> bool:
    """Tell whether the legacy converter turns an input to NHWC."""
    return len(shape_of(value)) == 4


def turns_output(model: onnx.ModelProto, value: onnx.ValueInfoProto) -> bool:
    """Tell whether the legacy converter gives an output in NHWC that the graph has in NCHW."""
    producers = {name: node for node in model.graph.node for name in node.output}
    node = producers.get(value.name)
    while node is not None and node.op_type in KEEPING:
        node = producers.get(node.input[0])
    return len(shape_of(value)) == 4 and node is not None and node.op_type in CHANNELS_FIRST


def _turned(value: onnx.ValueInfoProto, name: str) -> onnx.ValueInfoProto:
    n, c, h, w = shape_of(value)
    return helper.make_tensor_value_info(name, value.type.tensor_type.elem_type, [n, h, w, c])


def rename(model: onnx.ModelProto, old: str, new: str) -> None:
    """Rename a tensor everywhere, in place."""
    graph = model.graph
    for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        if value.name == old:
            value.name = new
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
        if node.name == old:
            node.name = new


def to_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with every float32 made float16."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    for constant in graph.initializer:
        if constant.data_type == TensorProto.FLOAT:
            half = numpy_helper.to_array(constant).astype(np.float16)
            constant.CopyFrom(numpy_helper.from_array(half, constant.name))
    for value in [*graph.input, *graph.output]:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                half = numpy_helper.to_array(attribute.t).astype(np.float16)
                attribute.t.CopyFrom(numpy_helper.from_array(half))
    del graph.value_info[:]
    return result


def name_for_wheel(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph such that the wheel's DLC names tensors as the graph does.

    Where it changes the layout the wheel names a node's result after the node: so nodes get the
    names of their results, and the results others.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    integer = any(node.op_type == "QuantizeLinear" for node in result.graph.node)
    ends = {value.name for value in [*result.graph.input, *result.graph.output]}
    taken = set(ends)
    for node in list(result.graph.node):
        name = node.output[0]
        shown = not integer or node.op_type in ("QuantizeLinear", "Transpose")
        if shown and name not in ends:
            rename(result, name, f"{name}__")
            node.name = name
        else:
            node.name = f"{node.name or name}_op"
        while node.name in taken:
            node.name += "_"
        taken.add(node.name)
    return result
