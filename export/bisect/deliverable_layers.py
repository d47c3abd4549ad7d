"""The codes of every activation of the deliverables: the DLC itself, and a context binary."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import onnx

from ...quantization.encodings import code_tensors, plain_name
from ...quantization.layers import Pixels, Values, expose, exposed_shapes
from ...runtime.emulator import EmulatorProcess
from ...runtime.scratch import scratch_folder
from ...runtime.targets import Target
from ..context_binary import write_context_binary
from ..dlc_file.exposing import composed_name, expose_activations
from ..dlc_runner.backend import WORKER as DLC_WORKER


def context_layers(
    model: onnx.ModelProto, pixels: Pixels, target: Target, limit_s: float
) -> Values:
    """Return the codes of a context binary, compiled for this with every activation exposed."""
    exposed = expose(model)
    with scratch_folder() as folder:
        graph, wrapper = folder / "exposed.onnx", folder / "wrapper.onnx"
        onnx.save(exposed, graph)
        write_context_binary(graph, target, folder / "exposed.bin", wrapper, limit_s)
        process = EmulatorProcess(wrapper, target, exposed_shapes(exposed), limit_s)
        with closing(process):
            return process.run(pixels)


def dlc_layers(
    path: Path, model: onnx.ModelProto, pixels: Pixels, target: Target, limit_s: float
) -> Values:
    """Return the codes of the DLC itself, executed with its own activations made outputs."""
    with scratch_folder() as folder:
        copy = folder / path.name
        shapes = expose_activations(path, copy)
        composed = {composed_name(own): shape for own, shape in shapes.items()}
        with closing(EmulatorProcess(copy, target, composed, limit_s, DLC_WORKER)) as process:
            found = process.run(pixels)
    by_plain_name = {plain_name(own): found[composed_name(own)] for own in shapes}
    return {
        tensor.codes: by_plain_name[name].transpose(0, 3, 1, 2)  # NHWC -> NCHW
        for name, tensor in code_tensors(model).items()
        if name in by_plain_name and by_plain_name[name].ndim == 4
    }
