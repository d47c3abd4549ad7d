"""What each layer of a graph computes, image by image: in float, on the CPU, on the HTP."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from ..runtime.emulator import EmulatorProcess
from ..runtime.scratch import scratch_folder
from ..runtime.targets import Target
from .cpu_session import cpu_session
from .encodings import code_tensors, plain_name

Pixels = npt.NDArray[np.uint8]
Values = dict[str, npt.NDArray[np.uint8]]
"""Codes by the name of their tensor in int8.onnx, in the graph's order, NCHW."""
FloatValues = dict[str, npt.NDArray[np.float32]]
Layers = Callable[[Pixels], Values]
"""Runs an image, uint8 [1, h, w, 3], and returns the codes of every activation."""


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


def cpu_layers(model: onnx.ModelProto) -> Layers:
    """Open an integer graph on onnxruntime's CPU provider."""
    exposed = expose(model)
    names, session = list(exposed_shapes(exposed)), cpu_session(exposed)

    def run(pixels: Pixels) -> Values:
        return dict(zip(names, session.run(names, {"image": pixels}), strict=True))

    return run


@contextlib.contextmanager
def emulator_layers(model: onnx.ModelProto, target: Target, limit_s: float) -> Iterator[Layers]:
    """Open an integer graph on the emulated HTP of a chip, which compiles it once.

    limit_s: for opening, and for each image. Raises ToolError where Qualcomm's libraries fail.
    """
    exposed = expose(model)
    with scratch_folder() as folder:
        path = folder / "exposed.onnx"
        onnx.save(exposed, path)
        process = EmulatorProcess(path, target, exposed_shapes(exposed), limit_s)
        with contextlib.closing(process):
            yield process.run


def graph_layers(model: onnx.ModelProto) -> Callable[[npt.NDArray[np.float32]], FloatValues]:
    """Open a float graph with every float tensor that its nodes make as an output.

    The function takes the graph's input, [1, 3, h, w], normalised, and returns the tensors by
    name, in the graph's order.
    """
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    names = [n for node in model.graph.node for n in node.output if node.op_type != "Constant"]
    known = {output.name for output in model.graph.output}
    exposed.graph.output.extend(
        helper.make_empty_tensor_value_info(name) for name in names if name not in known
    )
    session = cpu_session(exposed)

    def run(image: npt.NDArray[np.float32]) -> FloatValues:
        return {
            name: value
            for name, value in zip(names, session.run(names, {"image": image}), strict=True)
            if value.dtype == np.float32 and value.ndim > 1
        }

    return run


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
