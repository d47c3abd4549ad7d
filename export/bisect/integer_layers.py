"""The codes of every activation of the integer forms: on the CPU, on the HTP, in the DLC."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from ...quantization.encodings import code_tensors, plain_name
from ...runtime.htp import WORKER, EmulatorProcess
from ...runtime.targets import Target
from ..context_binary import write_context_binary
from ..cpu_session import cpu_session
from ..dlc_file.exposing import composed_name, expose_activations
from ..dlc_runner.backend import WORKER as DLC_WORKER
from .float_layers import Values as FloatValues

Pixels = npt.NDArray[np.uint8]
Values = dict[str, npt.NDArray[np.uint8]]
"""Codes by the name of their tensor in int8.onnx, in the graph's order, NCHW."""
GIVEN = "_given"


def expose(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the integer graph with the codes of every activation as its outputs."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in inferred.value_info
    }
    del exposed.graph.output[:]
    for node in exposed.graph.node:
        if node.op_type == "QuantizeLinear":
            codes = node.output[0]
            exposed.graph.output.append(
                helper.make_tensor_value_info(codes, TensorProto.UINT8, shapes[codes])
            )
    return exposed


def cpu_layers(model: onnx.ModelProto, pixels: Pixels) -> Values:
    """Return the codes on onnxruntime's CPU provider."""
    exposed = expose(model)
    names = list(_shapes(exposed))
    values = cpu_session(exposed).run(names, {"image": pixels})
    return dict(zip(names, values, strict=True))


def alone_on_cpu(model: onnx.ModelProto, given: Values, pixels: Pixels) -> Values:
    """Return what the CPU makes of each layer alone, from the codes that another side had there.

    given: the codes of every activation on that side; nothing accumulates from layer to layer.
    """
    exposed = expose(model)
    shapes = _shapes(exposed)
    for node in exposed.graph.node:
        for index, name in enumerate(node.input):
            if name in shapes and node.op_type == "DequantizeLinear":
                node.input[index] = name + GIVEN
    exposed.graph.input.extend(
        helper.make_tensor_value_info(name + GIVEN, TensorProto.UINT8, shape)
        for name, shape in shapes.items()
    )
    session = cpu_session(exposed)
    feed = {"image": pixels, **{name + GIVEN: given[name] for name in shapes}}
    wanted = {value.name for value in session.get_inputs()}
    feed = {name: value for name, value in feed.items() if name in wanted}
    return dict(zip(shapes, session.run(list(shapes), feed), strict=True))


def emulator_layers(
    model: onnx.ModelProto, pixels: Pixels, target: Target, limit_s: float
) -> Values:
    """Return the codes on the emulated HTP of a chip."""
    exposed = expose(model)
    with tempfile.TemporaryDirectory(prefix="hexdet-") as name:
        path = Path(name, "exposed.onnx")
        onnx.save(exposed, path)
        return _ask(path, target, _shapes(exposed), pixels, limit_s)


def context_layers(
    model: onnx.ModelProto, pixels: Pixels, target: Target, limit_s: float
) -> Values:
    """Return the codes of a context binary, compiled for this with every activation exposed."""
    exposed = expose(model)
    with tempfile.TemporaryDirectory(prefix="hexdet-") as name:
        graph, wrapper = Path(name, "exposed.onnx"), Path(name, "wrapper.onnx")
        onnx.save(exposed, graph)
        write_context_binary(graph, target, Path(name, "exposed.bin"), wrapper, limit_s)
        return _ask(wrapper, target, _shapes(exposed), pixels, limit_s)


def dlc_layers(
    path: Path, model: onnx.ModelProto, pixels: Pixels, target: Target, limit_s: float
) -> Values:
    """Return the codes of the DLC itself, executed with its own activations made outputs."""
    with tempfile.TemporaryDirectory(prefix="hexdet-") as name:
        copy = Path(name, path.name)
        shapes = expose_activations(path, copy)
        composed = {composed_name(own): shape for own, shape in shapes.items()}
        found = _ask(copy, target, composed, pixels, limit_s, DLC_WORKER)
    by_plain_name = {plain_name(own): found[composed_name(own)] for own in shapes}
    return {
        tensor.codes: by_plain_name[name].transpose(0, 3, 1, 2)  # NHWC -> NCHW
        for name, tensor in code_tensors(model).items()
        if name in by_plain_name and by_plain_name[name].ndim == 4
    }


def float_as_codes(model: onnx.ModelProto, floats: FloatValues) -> FloatValues:
    """Return what the float graph computes at every activation, in codes, not rounded."""
    return {
        tensor.codes: np.clip(
            floats[plain_name(tensor.codes)] / tensor.scale + tensor.zero_point, 0, 255
        ).astype(np.float32)
        for tensor in code_tensors(model).values()
        if plain_name(tensor.codes) in floats
    }


def _shapes(exposed: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    return {
        output.name: tuple(d.dim_value for d in output.type.tensor_type.shape.dim)
        for output in exposed.graph.output
    }


def _ask(
    path: Path,
    target: Target,
    shapes: dict[str, tuple[int, ...]],
    pixels: Pixels,
    limit_s: float,
    worker: str = WORKER,
) -> Values:
    """Return one answer of the emulator."""
    process = EmulatorProcess(path, target, shapes, limit_s, worker=worker)
    try:
        return process.run(pixels)
    finally:
        process.close()
