"""Our encodings as the SDK takes them: its file of overrides, and weights that already fit them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from ...errors import ArtifactError
from ...quantization.encodings import (
    FILE_NAME,
    SECTIONS,
    Codes,
    code_tensors,
    load_encodings,
    save_encodings,
)
from ...quantization.quantize import base_path
from ...runtime.backend import graph_path

BIAS_BITS = 32
PASSING = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
"""Operators whose output is their input in another order, with the same codes."""


def write_overrides(bundle: Path, folder: Path) -> tuple[Path, Path, int]:
    """Write the graph to convert and its overrides; return both and how many tensors they name.

    The graph is the one that was quantized, its weights and biases being exactly those that the
    codes stand for: whatever way the SDK rounds, and whatever chose our codes, its codes are ours.
    Biases have no entry of their own: their scale is that of input times weight.
    Raises ArtifactError where encodings.json and the graphs do not belong together.
    """
    integer = onnx.load(graph_path(bundle, "int8"))
    model = onnx.load(base_path(bundle))
    _onto_grid(model, code_tensors(integer), integer)
    encodings = load_encodings(bundle)
    activations, parameters = (encodings[section] for section in SECTIONS)
    parameters = {n: e for n, e in parameters.items() if e[0]["bitwidth"] != BIAS_BITS}
    _before_passing(model, activations)
    names = {name for node in model.graph.node for name in (*node.input, *node.output)}
    unknown = sorted((activations.keys() | parameters.keys()) - names)
    if unknown:
        raise ArtifactError(
            f"{bundle / FILE_NAME} names {unknown[0]!r}, which {base_path(bundle).name} does not "
            f"have: quantize again"
        )
    encodings |= dict(zip(SECTIONS, (activations, parameters), strict=True))
    graph = folder / "float.onnx"
    onnx.save(model, graph)
    return graph, save_encodings(folder, encodings), len(activations) + len(parameters)


def _before_passing(model: onnx.ModelProto, activations: dict[str, Any]) -> None:
    """Name, in place, also what a tensor with an encoding is only another order of.

    Left alone the SDK would calibrate it by itself, and requantize between the two.
    """
    for node in reversed(model.graph.node):
        if node.op_type in PASSING and node.output[0] in activations:
            activations.setdefault(node.input[0], activations[node.output[0]])


def _onto_grid(
    model: onnx.ModelProto, codes: Mapping[str, Codes], integer: onnx.ModelProto
) -> None:
    """Replace, in place, every quantized constant by the real numbers that its codes stand for."""
    stored = {i.name: i for i in integer.graph.initializer}
    for constant in model.graph.initializer:
        known = codes.get(constant.name)
        if known is None or known.codes not in stored:
            continue
        steps = numpy_helper.to_array(stored[known.codes]).astype(np.float64)
        along = (-1, *(1,) * (steps.ndim - 1)) if known.scale.size > 1 else ()
        scale = known.scale.astype(np.float64).reshape(along)
        values = (steps - known.zero_point.astype(np.float64).reshape(along)) * scale
        constant.CopyFrom(numpy_helper.from_array(values.astype(np.float32), constant.name))
