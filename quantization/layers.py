"""What each layer of a graph computes on one image: in float, on the CPU, on the HTP."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from ..runtime.emulator import WORKER, EmulatorProcess
from ..runtime.targets import Target
from .cpu_session import cpu_session
from .encodings import code_tensors, plain_name

Pixels = npt.NDArray[np.uint8]
Values = dict[str, npt.NDArray[np.uint8]]
"""Codes by the name of their tensor in int8.onnx, in the graph's order, NCHW."""
FloatValues = dict[str, npt.NDArray[np.float32]]
GIVEN = "_given"


def expose(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the integer graph with the codes of every activation as its outputs."""
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    known = {value.name: value for value in inferred.value_info}
    del exposed.graph.output[:]
    exposed.graph.output.extend(
        known[node.output[0]] for node in exposed.graph.node if node.op_type == "QuantizeLinear"
    )
    return exposed


def cpu_layers(model: onnx.ModelProto, pixels: Pixels) -> Values:
    """Return the codes on onnxruntime's CPU provider."""
    exposed = expose(model)
    names = list(exposed_shapes(exposed))
    values = cpu_session(exposed).run(names, {"image": pixels})
    return dict(zip(names, values, strict=True))


def alone_on_cpu(model: onnx.ModelProto, given: Values, pixels: Pixels) -> Values:
    """Return what the CPU makes of each layer alone, from the codes that another side had there.

    given: the codes of every activation on that side; nothing accumulates from layer to layer.
    """
    exposed = expose(model)
    shapes = exposed_shapes(exposed)
    for node in exposed.graph.node:
        for index, name in enumerate(node.input):
            if name in shapes and node.op_type == "DequantizeLinear":
                node.input[index] = name + GIVEN
    for output in exposed.graph.output:
        given_input = onnx.ValueInfoProto()
        given_input.CopyFrom(output)
        given_input.name = output.name + GIVEN
        exposed.graph.input.append(given_input)
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
        return ask_emulator(path, target, exposed_shapes(exposed), pixels, limit_s)


def graph_layers(model: onnx.ModelProto, image: npt.NDArray[np.float32]) -> FloatValues:
    """Return every float tensor that the graph's nodes make, by name, in the graph's order.

    image: the float graph's input, [1, 3, h, w], normalised.
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    names = [n for node in model.graph.node for n in node.output if node.op_type != "Constant"]
    known = {output.name for output in model.graph.output}
    exposed.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in known
    )
    values = cpu_session(exposed).run(names, {"image": image})
    return {
        name: value
        for name, value in zip(names, values, strict=True)
        if value.dtype == np.float32 and value.ndim > 1
    }


def float_as_codes(model: onnx.ModelProto, floats: FloatValues) -> FloatValues:
    """Return what the float graph computes at every activation, in codes, not rounded."""
    return {
        tensor.codes: np.clip(
            floats[plain_name(tensor.codes)] / tensor.scale + tensor.zero_point,
            0,
            np.iinfo(tensor.zero_point.dtype).max,
        ).astype(np.float32)
        for tensor in code_tensors(model).values()
        if plain_name(tensor.codes) in floats
    }


def exposed_shapes(exposed: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of every output of an exposed graph."""
    return {
        output.name: tuple(d.dim_value for d in output.type.tensor_type.shape.dim)
        for output in exposed.graph.output
    }


def ask_emulator(
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
