"""The ONNX graph while it is built: nodes, constants, and the shape of every blob so far."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...errors import ArtifactError
from .folding import Folded
from .reading import Float, Layer, Net
from .shapes import Shape

IMAGE = "image"


class Graph:
    """What the layers of a network have become; every layer's output has the layer's name."""

    def __init__(self, folded: Folded, weights_path: Path) -> None:
        self.folded = folded
        self.net: Net = folded.net
        self.weights_path = weights_path
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self.shapes: dict[str, Shape] = {self.net.image: (1, 3, self.net.height, self.net.width)}

    def model(self, opset: int) -> onnx.ModelProto:
        """Return the graph as a model."""
        shape = self.shapes[self.net.image]
        graph = helper.make_graph(
            self._nodes,
            self.net.name,
            [helper.make_tensor_value_info(IMAGE, TensorProto.FLOAT, shape)],
            self._outputs,
            self._constants,
        )
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )

    def node(self, kind: str, layer: Layer, inputs: list[str], **attributes: Any) -> None:
        """Add the node whose result is the layer's."""
        self.step(kind, layer.name, inputs, **attributes)

    def step(self, kind: str, name: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node with a result of its own name; return it."""
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: npt.NDArray[np.float32] | npt.NDArray[np.int64]) -> str:
        """Add a constant; return its name."""
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def output(self, blob: str) -> None:
        """Make a blob an output, under the name of the layer that gives it."""
        shape = self.shapes[blob]
        self._outputs.append(
            helper.make_tensor_value_info(self.tensor(blob), TensorProto.FLOAT, shape)
        )

    def tensor(self, blob: str) -> str:
        """Return the name of a blob's tensor."""
        return IMAGE if blob == self.net.image else blob

    def source(self, layer: Layer) -> str:
        """Return the tensor that a layer of one input reads."""
        if len(layer.inputs) != 1:
            raise self.wrong(layer, f"has {len(layer.inputs)} inputs instead of one")
        return self.tensor(layer.inputs[0])

    def shape(self, layer: Layer) -> Shape:
        """Return the shape of a layer's first input."""
        return self.shapes[layer.inputs[0]]

    def image_shape(self, layer: Layer) -> tuple[int, int, int, int]:
        """Return the shape of a layer's first input, which must be [n, channels, rows, columns]."""
        shape = self.shape(layer)
        if len(shape) != 4:
            raise self.wrong(layer, f"needs rows and columns, its input is {shape}")
        return (shape[0], shape[1], shape[2], shape[3])

    def blobs(self, layer: Layer, shapes: list[Shape]) -> list[Float]:
        """Return a layer's weights; ArtifactError, naming it, where they are not of these shapes.

        A shape of the same size is taken for the same: Caffe of before 2015 wrote four axes always.
        """
        given = self.folded.weights.get(layer.name, [])
        if [math.prod(shape) for shape in shapes] != [blob.size for blob in given]:
            found = [list(blob.shape) for blob in given] or "missing"
            raise ArtifactError(
                f"{self.weights_path} does not fit {self.net.path} at the layer {layer.name} "
                f"({layer.kind}): its weights are {found}, the prototxt means "
                f"{[list(shape) for shape in shapes]}"
            )
        return [blob.reshape(shape) for blob, shape in zip(given, shapes, strict=True)]

    def axis(self, layer: Layer, axis: int) -> int:
        """Return an axis of a layer's first input counted from its first."""
        shape = self.shape(layer)
        if not -len(shape) <= axis < len(shape):
            raise self.wrong(layer, f"names the axis {axis} of {shape}")
        return axis % len(shape)

    def wrong(self, layer: Layer, what: str) -> ArtifactError:
        """Return the error that a layer cannot be imported."""
        return ArtifactError(f"{self.net.path}: layer {layer.name} ({layer.kind}) {what}")
