"""A foreign SSD's ONNX graph, cut back to its raw heads and brought into the bundle's form."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnxsim
from onnx import helper, version_converter

from ..errors import ArtifactError, ToolError
from ..quantization.ranges.trained import read_trained_ranges, write_trained_ranges
from ..runtime.contract import DetectorContract
from ..runtime.files import sha256_of
from .foreign_check import check_cut
from .tflite_ssd import LABELS

TFLITE, CAFFE = ".tflite", ".caffemodel"
AFTER_HEADS = frozenset(
    {
        "Add",
        "Cast",
        "Concat",
        "Div",
        "Exp",
        "Flatten",
        "Identity",
        "Mul",
        "Reshape",
        "Sigmoid",
        "Slice",
        "Softmax",
        "Split",
        "Squeeze",
        "Sub",
        "Transpose",
        "Unsqueeze",
    }
)
"""Operators between a head's convolution and the graph's outputs: layout, activation, decoding."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What was cut away behind the heads: operators by name, with how often each stood there."""

    removed: dict[str, int]
    heads: dict[str, str]
    """Our output name of each head by the convolution's own output name."""
    outputs: dict[str, str]
    """What each output of the original was found to be, in words."""


def load_foreign(
    path: Path, contract: DetectorContract, opset: int, prototxt: Path | None = None
) -> tuple[onnx.ModelProto, Cut]:
    """Read a foreign SSD, ONNX, TensorFlow Lite or Caffe, and cut it back: see `cut_foreign`.

    prototxt: the definition of a caffemodel, the one beside it where None. Raises ArtifactError
    also where a file cannot be read.
    """
    if path.suffix == TFLITE:
        # A package that only this kind of file needs.
        from .tflite_ssd.building import import_tflite_ssd

        return cut_foreign(import_tflite_ssd(path, contract, opset), path, contract, opset)
    if path.suffix == CAFFE:
        from .caffe_ssd.building import import_caffe_ssd

        model = import_caffe_ssd(path, prototxt_of(path, prototxt), opset)
        return cut_foreign(model, path, contract, opset)
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf, checker and file errors share no base
        raise ArtifactError(f"{path} is no readable ONNX model: {error}") from error
    return cut_foreign(model, path, contract, opset)


def cut_foreign(
    model: onnx.ModelProto, path: Path, contract: DetectorContract, opset: int
) -> tuple[onnx.ModelProto, Cut]:
    """Return the float graph of a foreign SSD with raw per-level heads, NHWC.

    The outputs are followed backwards through layout, activation and decoding to the convolutions
    they come from; these become the outputs that the contract names. path: the file it came from.
    Raises ArtifactError, naming the node, where that is not possible, where the heads do not fit
    the contract, or where the contract does not explain what the original makes of them.
    """
    trained = read_trained_ranges(model)
    _fix_batch(model)
    simplified, verified = onnxsim.simplify(model)
    if not verified:
        raise ToolError(f"onnxsim changed the results of {path}: simplify it yourself first")
    heads = _find_heads(simplified, path)
    named = _name_heads(simplified, heads, contract, path)
    result = _cut(simplified, named, contract)
    removed: dict[str, int] = {}
    kept = {node.name or node.output[0] for node in result.graph.node}
    for node in simplified.graph.node:
        if (node.name or node.output[0]) not in kept:
            removed[node.op_type] = removed.get(node.op_type, 0) + 1
    result = version_converter.convert_version(result, opset)
    result, _ = onnxsim.simplify(result)
    del result.metadata_props[:]
    write_trained_ranges(result, trained)
    onnx.checker.check_model(result, full_check=True)
    outputs = check_cut(simplified, heads, named, result, contract, str(path))
    return result, Cut(removed=removed, heads=named, outputs=outputs)


def prototxt_of(caffemodel: Path, given: Path | None) -> Path:
    """Return the definition of a caffemodel: the one given, else the one of the same name."""
    path = given or caffemodel.with_suffix(".prototxt")
    if not path.is_file():
        raise ArtifactError(f"{caffemodel} needs its definition: no {path}; name it by --prototxt")
    return path


def foreign_sources(path: Path, prototxt: Path | None = None) -> dict[str, str]:
    """Return the sha256 of a graph and of every file that belongs to it, by name.

    To an ONNX file belong those that its weights lie in, to a `.tflite` its class names, to a
    caffemodel its prototxt.
    """
    if path.suffix == CAFFE:
        return {
            "caffemodel": sha256_of(path),
            "prototxt": sha256_of(prototxt_of(path, prototxt)),
        }
    if path.suffix == TFLITE:
        labels = path.with_name(LABELS)
        return {
            "tflite": sha256_of(path),
            **({LABELS: sha256_of(labels)} if labels.is_file() else {}),
        }
    sources = {"onnx": sha256_of(path)}
    for place in sorted(_external_files(path)):
        beside = path.parent / place
        if not beside.is_file():
            raise ArtifactError(f"{path} keeps weights in {place}, which is not beside it")
        sources[f"onnx {place}"] = sha256_of(beside)
    return sources


def _external_files(path: Path) -> set[str]:
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf and file errors share no base
        raise ArtifactError(f"{path} is no readable ONNX model: {error}") from error
    return {
        entry.value
        for tensor in model.graph.initializer
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }


def _fix_batch(model: onnx.ModelProto) -> None:
    """Set a symbolic batch to 1; other open dimensions are refused when shapes are inferred."""
    constants = {i.name for i in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in constants:
            first = value.type.tensor_type.shape.dim[0]
            if first.dim_value < 1:
                first.dim_value = 1


def _find_heads(model: onnx.ModelProto, path: Path) -> dict[str, set[str]]:
    """Return the convolutions' output names that the outputs come from, with which outputs."""
    producers = {name: node for node in model.graph.node for name in node.output}
    constants = {i.name for i in model.graph.initializer}
    inputs = {i.name for i in model.graph.input}
    heads: dict[str, set[str]] = {}
    for output in model.graph.output:
        waiting, seen = deque([output.name]), set[str]()
        while waiting:
            name = waiting.popleft()
            if name in seen or name in constants or not name:
                continue
            seen.add(name)
            node = producers.get(name)
            if node is None or name in inputs:
                raise ArtifactError(f"{path}: output {output.name} comes straight from an input")
            if node.op_type == "Conv":
                heads.setdefault(name, set()).add(output.name)
            elif node.op_type == "Constant":
                continue
            elif node.op_type in AFTER_HEADS:
                waiting.extend(node.input)
            else:
                raise ArtifactError(
                    f"{path}: between the output {output.name} and its convolution stands the node "
                    f"{node.name or name} ({node.op_type}), which cannot be cut away: export the "
                    f"network without it"
                )
    return heads


def _name_heads(
    model: onnx.ModelProto,
    heads: dict[str, set[str]],
    contract: DetectorContract,
    path: Path,
) -> dict[str, str]:
    """Give every head the contract's output name, by its shape and the output it feeds."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    shapes = {
        v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
        for v in [*inferred.value_info, *inferred.output]
    }
    # Where classes and deltas have equally many channels only the output they feed tells them
    # apart; the first output of a level's pair is the one that passes through an activation.
    activated = _activated_outputs(model)
    named: dict[str, str] = {}
    for level in contract.levels:
        size = (level.rows, level.columns)
        here = [h for h in heads if shapes.get(h, ())[2:] == size]
        wanted = contract.output_shapes()
        score_like = [h for h in here if shapes[h][1] == wanted[level.scores][3]]
        box_like = [h for h in here if shapes[h][1] == wanted[level.boxes][3]]
        if len(score_like) > 1:
            score_like = [h for h in score_like if heads[h] & activated]
        box_like = [h for h in box_like if h not in score_like]
        if len(score_like) != 1 or len(box_like) != 1:
            found = {h: list(shapes.get(h, ())) for h in heads}
            raise ArtifactError(
                f"{path}: the level of stride {level.stride} ({level.rows}x{level.columns}) needs "
                f"one head of {wanted[level.scores][3]} score channels and one of "
                f"{wanted[level.boxes][3]} box channels; the graph's heads are {found}"
            )
        named[score_like[0]], named[box_like[0]] = level.scores, level.boxes
    spare = sorted(set(heads) - set(named))
    if spare:
        raise ArtifactError(
            f"{path}: the head {spare[0]} {list(shapes.get(spare[0], ()))} belongs to no level of "
            f"the contract"
        )
    return named


def _activated_outputs(model: onnx.ModelProto) -> set[str]:
    """Return the outputs that are the result of a softmax or a sigmoid."""
    producers = {name: node for node in model.graph.node for name in node.output}
    found = set()
    for output in model.graph.output:
        node = producers.get(output.name)
        if (node is not None and node.op_type in ("Softmax", "Sigmoid")) or (
            "score" in output.name or "class" in output.name or "conf" in output.name
        ):
            found.add(output.name)
    return found


def _cut(
    model: onnx.ModelProto, named: dict[str, str], contract: DetectorContract
) -> onnx.ModelProto:
    """Return the graph from the image to the heads, transposed to NHWC, under our names."""
    constants = {i.name for i in model.graph.initializer}
    source = next(i for i in model.graph.input if i.name not in constants)
    expected = (1, 3, contract.input.height, contract.input.width)
    shape = tuple(d.dim_value for d in source.type.tensor_type.shape.dim)
    if shape != expected:
        raise ArtifactError(f"the graph's input is {shape}, the contract says {expected}")
    needed, kept = set(named), []
    for node in reversed(model.graph.node):
        if any(name in needed for name in node.output):
            needed.update(node.input)
            kept.append(node)
    nodes = [onnx.NodeProto.FromString(n.SerializeToString()) for n in reversed(kept)]
    for node in nodes:
        for index, name in enumerate(node.input):
            if name == source.name:
                node.input[index] = "image"
    raw = {ours: theirs for theirs, ours in named.items()}
    outputs = []
    for name, size in contract.output_shapes().items():
        nodes.append(
            helper.make_node("Transpose", [raw[name]], [name], name=name, perm=[0, 2, 3, 1])
        )
        outputs.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, size))
    graph = helper.make_graph(
        nodes,
        contract.name,
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, expected)],
        outputs,
        [i for i in model.graph.initializer if i.name in needed],
    )
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=8)
