"""Edits of ONNX graphs: heads without layout changes, integers at both ends, nothing unused."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

from ..errors import ArtifactError

TO_NHWC = [0, 2, 3, 1]
TO_NCHW = [0, 3, 1, 2]
IMAGE = "image"
REMOVABLE = frozenset({"Clip", "Relu"})
"""What a range does all by itself: codes end where it ends."""


def cut_output_transposes(model: onnx.ModelProto) -> dict[str, str]:
    """Make the raw NCHW convolutions the outputs of a float graph, in place.

    Returns the name of each former output by that of the tensor which now takes its place.
    Raises ArtifactError where an output is not a transposed convolution.
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    renamed = {}
    for output in graph.output:
        transpose = producers.get(output.name)
        if transpose is None or not _is_raw_convolution_in_nhwc(transpose, producers):
            kind = transpose.op_type if transpose else "nothing"
            raise ArtifactError(
                f"the output {output.name} of the float graph ends in {kind}, not in "
                f"a Transpose of a raw convolution to NHWC: export it again"
            )
        raw = transpose.input[0]
        renamed[raw] = output.name
        batch, rows, columns, channels = _shape(output)
        graph.node.remove(transpose)
        output.CopyFrom(
            helper.make_tensor_value_info(raw, TensorProto.FLOAT, [batch, channels, rows, columns])
        )
    return renamed


def _is_raw_convolution_in_nhwc(node: onnx.NodeProto, producers: dict[str, onnx.NodeProto]) -> bool:
    source = producers.get(node.input[0])
    return (
        node.op_type == "Transpose"
        and any(a.name == "perm" and list(a.ints) == TO_NHWC for a in node.attribute)
        and source is not None
        and source.op_type == "Conv"
    )


def absorb_clips(model: onnx.ModelProto) -> dict[str, str]:
    """Remove every Clip and Relu that alone reads what a node computes, in place.

    The node's output takes the name of the Clip's, whose range then does the clipping. Returns
    the former name of each such output with its new one.
    """
    graph = model.graph
    readers: dict[str, int] = {}
    for name in [*(n for node in graph.node for n in node.input), *(o.name for o in graph.output)]:
        readers[name] = readers.get(name, 0) + 1
    producers = {n: node for node in graph.node if node.op_type != "Constant" for n in node.output}
    renamed = {}
    for node in list(graph.node):
        source = node.input[0] if node.input else ""
        if node.op_type not in REMOVABLE or source not in producers or readers[source] != 1:
            continue
        producer = producers[source]
        producer.output[list(producer.output).index(source)] = node.output[0]
        producers[node.output[0]] = producer
        renamed[source] = node.output[0]
        graph.node.remove(node)
    del graph.value_info[:]
    return renamed


def make_integer_ends(model: onnx.ModelProto, renamed: dict[str, str]) -> None:
    """Let a QDQ graph read uint8 NHWC and give uint8 NHWC under the former names, in place.

    The first QuantizeLinear and the last DequantizeLinears go: whoever calls the graph holds
    codes anyway. The transposes that come instead cancel with those of the HTP's own layout.
    """
    graph = model.graph
    _integer_input(graph)
    producers = {name: node for node in graph.node for name in node.output}
    for output in graph.output:
        dequantize = producers[output.name]
        assert dequantize.op_type == "DequantizeLinear", dequantize.op_type
        name = renamed[output.name]
        batch, channels, rows, columns = _shape(output)
        graph.node.append(
            helper.make_node(
                "Transpose", [dequantize.input[0]], [name], name=f"{name}_to_nhwc", perm=TO_NHWC
            )
        )
        graph.node.remove(dequantize)
        output.CopyFrom(
            helper.make_tensor_value_info(name, TensorProto.UINT8, [batch, rows, columns, channels])
        )


def _integer_input(graph: onnx.GraphProto) -> None:
    batch, channels, rows, columns = _shape(graph.input[0])
    quantize = next(n for n in graph.node if n.op_type == "QuantizeLinear" and n.input[0] == IMAGE)
    transpose = helper.make_node(
        "Transpose", [IMAGE], [quantize.output[0]], name="image_to_nchw", perm=TO_NCHW
    )
    graph.node.remove(quantize)
    graph.node.insert(0, transpose)
    graph.input[0].CopyFrom(
        helper.make_tensor_value_info(IMAGE, TensorProto.UINT8, [batch, rows, columns, channels])
    )


def transpose_codes(model: onnx.ModelProto) -> None:
    """Let a QDQ graph transpose codes where it transposes what they stand for, in place.

    The same codes in another order are no tensor with an encoding of its own, and a Transpose
    between two layers that the HTP computes in one layout cancels only so.
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for transpose in [n for n in graph.node if n.op_type == "Transpose"]:
        before = producers.get(transpose.input[0])
        behind = readers.get(transpose.output[0], [])
        if before is None or before.op_type != "DequantizeLinear" or len(behind) != 1:
            continue
        (quantize,) = behind
        if quantize.op_type == "QuantizeLinear" and quantize.input[1:] == before.input[1:]:
            transpose.input[0] = before.input[0]
            transpose.output[0] = quantize.output[0]
            graph.node.remove(quantize)


def drop_unused(model: onnx.ModelProto) -> None:
    """Remove nodes and initializers that no output depends on, and value infos, in place."""
    graph = model.graph
    needed = {output.name for output in graph.output}
    kept = []
    for node in reversed(graph.node):  # a graph is sorted: consumers come after producers
        if any(name in needed for name in node.output):
            needed.update(node.input)
            kept.append(node)
    initializers = [i for i in graph.initializer if i.name in needed]
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(reversed(kept))
    graph.initializer.extend(initializers)


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]
