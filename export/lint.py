"""The purity lint: what in a graph or its DLC costs accuracy or speed on the DSP, and why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import numpy_helper

from ..errors import ParityError
from ..quantization.encodings import code_tensors
from ..quantization.quantize import base_path
from ..runtime.backend import graph_path
from ..runtime.contract import DetectorContract, InputSpec
from .dlc_file import read_dlc

Level = Literal["refused", "warning", "note"]

DECODING = frozenset({"Softmax", "Sigmoid", "Exp", "NonMaxSuppression", "TopK", "Gather"})
LAYOUT = frozenset({"Reshape", "Concat", "Slice", "Split", "Squeeze", "Unsqueeze"})
CEILING = 6.0
LANES = 32
"""The HTP works on 32 channels at a time."""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """One thing that the lint found; `refused` ends an export."""

    level: Level
    rule: str
    subject: str
    reason: str


def lint_bundle(folder: Path, contract: DetectorContract) -> list[Remark]:
    """Return what is to be said about a bundle's graphs and its int8.dlc, the gravest first."""
    floats, integers = (onnx.load(graph_path(folder, p)) for p in ("float", "int8"))
    remarks = [
        *_operators(floats),
        *_shapes(floats),
        *_channels(floats),
        *_dead_channels(floats),
        *_shared_scale(integers, contract),
        *_ceiling(floats, integers),
        *_input(contract.input),
        *_other_base(folder),
    ]
    dlc = folder / "int8.dlc"
    if dlc.is_file():
        remarks += _dlc_operators(dlc)
    order: tuple[Level, ...] = ("refused", "warning", "note")
    return sorted(remarks, key=lambda remark: order.index(remark.level))


def operator_histogram(dlc: Path) -> dict[str, int]:
    """Return how many nodes of each type a DLC holds, most first."""
    return read_dlc(dlc).operators


def check_lint(remarks: list[Remark]) -> None:
    """Raise ParityError for the first remark that refuses the graph."""
    for remark in remarks:
        if remark.level == "refused":
            raise ParityError(f"{remark.rule}: {remark.subject}: {remark.reason}")


def _operators(model: onnx.ModelProto) -> list[Remark]:
    remarks = []
    for node in model.graph.node:
        name = node.name or node.output[0]
        if node.op_type in DECODING:
            remarks.append(
                Remark(
                    level="refused",
                    rule="decoding inside",
                    subject=f"{name} ({node.op_type})",
                    reason="8 bits are too coarse for it: it belongs on the CPU, after the DSP",
                )
            )
        elif node.op_type in LAYOUT and _leads_to_output(model, node):
            remarks.append(
                Remark(
                    level="refused",
                    rule="joined heads",
                    subject=f"{name} ({node.op_type})",
                    reason="scores and boxes, or levels, would share one scale: export raw heads",
                )
            )
    return remarks


def _leads_to_output(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    """Tell whether a node comes after the last convolution of its path."""
    consumers: dict[str, list[onnx.NodeProto]] = {}
    for other in model.graph.node:
        for name in other.input:
            consumers.setdefault(name, []).append(other)
    waiting = [node]
    while waiting:
        following = [c for name in waiting.pop().output for c in consumers.get(name, [])]
        if any(c.op_type == "Conv" for c in following):
            return False
        waiting.extend(following)
    return True


def _shapes(model: onnx.ModelProto) -> list[Remark]:
    values = [*model.graph.input, *model.graph.output]
    return [
        Remark(
            level="refused",
            rule="dynamic shape",
            subject=value.name,
            reason="the HTP compiles for fixed shapes: fix every dimension",
        )
        for value in values
        if any(d.dim_value < 1 for d in value.type.tensor_type.shape.dim)
    ]


def _channels(model: onnx.ModelProto) -> list[Remark]:
    outputs = {o.name for o in model.graph.output}
    heads = {n.input[0] for n in model.graph.node if n.output[0] in outputs}
    weights = {i.name: i.dims for i in model.graph.initializer}
    odd = [
        f"{n.name or n.output[0]} ({weights[n.input[1]][0]})"
        for n in model.graph.node
        if n.op_type == "Conv"
        and n.output[0] not in heads
        and n.input[1] in weights
        and weights[n.input[1]][0] % LANES
    ]
    if not odd:
        return []
    return [
        Remark(
            level="note",
            rule="channels",
            subject=f"{len(odd)} convolutions, first {odd[0]}",
            reason=f"the HTP works on {LANES} channels at a time: the rest of a group is idle",
        )
    ]


def _dead_channels(model: onnx.ModelProto) -> list[Remark]:
    constants = {i.name: i for i in model.graph.initializer}
    remarks = []
    for node in model.graph.node:
        if node.op_type != "Conv" or node.input[1] not in constants:
            continue
        weight = np.abs(numpy_helper.to_array(constants[node.input[1]]))
        dead = int((weight.reshape(weight.shape[0], -1).max(axis=1) < 1e-9).sum())
        if dead:
            remarks.append(
                Remark(
                    level="warning",
                    rule="dead channels",
                    subject=f"{node.name or node.output[0]}: {dead} of {weight.shape[0]}",
                    reason="their weights are zero: they cost time and carry nothing",
                )
            )
    return remarks


def _shared_scale(model: onnx.ModelProto, contract: DetectorContract) -> list[Remark]:
    outputs = {o.name for o in model.graph.output}
    missing = sorted(set(contract.output_shapes()) - outputs)
    return [
        Remark(
            level="refused",
            rule="joined heads",
            subject=name,
            reason="it is no output of its own, so it has no scale of its own",
        )
        for name in missing
    ]


def _ceiling(floats: onnx.ModelProto, integers: onnx.ModelProto) -> list[Remark]:
    """Name the ReLU6 whose ceiling calibration reached: larger values are cut off in float too."""
    clipped = {n.output[0] for n in floats.graph.node if n.op_type == "Clip"}
    at_ceiling = [
        name
        for name, tensor in code_tensors(integers).items()
        if name in clipped
        and abs(float(tensor.scale) * np.iinfo(tensor.zero_point.dtype).max - CEILING) < 1e-3
    ]
    if not at_ceiling:
        return []
    return [
        Remark(
            level="note",
            rule="saturated ReLU6",
            subject=f"{len(at_ceiling)} of {len(clipped)}, first {at_ceiling[0]}",
            reason="calibration images reach the ceiling of 6, which takes the whole range",
        )
    ]


def _input(spec: InputSpec) -> list[Remark]:
    """Warn of a mean between two codes: the integer graph reads raw pixels as codes."""
    if float(spec.mean).is_integer():
        return []
    return [
        Remark(
            level="warning",
            rule="input mean",
            subject=f"{spec.mean:g}",
            reason=f"a zero point is whole: INT8 sees every pixel {abs(spec.mean % 1):.2g} of a "
            f"grey level off; train with a whole mean",
        )
    ]


def _other_base(folder: Path) -> list[Remark]:
    """Say where the integer graph's weights come from: encodings fit one float graph alone."""
    base = base_path(folder)
    if base == graph_path(folder, "float"):
        return []
    return [
        Remark(
            level="note",
            rule="other float graph",
            subject=f"int8.onnx, int8.dlc and encodings.json belong to {base.name}",
            reason="float.onnx has the same outputs with other weights: who quantizes with "
            f"encodings.json starts from {base.name}",
        )
    ]


def _dlc_operators(dlc: Path) -> list[Remark]:
    counts = operator_histogram(dlc)
    return [
        Remark(
            level="warning",
            rule="transposes survive",
            subject=f"{counts[name]} {name} in {dlc.name}",
            reason="a change of layout that did not cancel moves every byte once more",
        )
        for name in counts
        if name == "Transpose"
    ]
