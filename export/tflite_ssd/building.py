"""From the parts of a TensorFlow Lite SSD to a float ONNX graph that ends in its raw heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from ...errors import ArtifactError
from ...quantization.ranges.estimators import Range
from ...quantization.ranges.trained import write_trained_ranges
from ...runtime.contract import DetectorContract
from .agreement import check_agreement, score_channels
from .padding import same_padding
from .reader import FAULTS, Operator, Tensor, read_tflite
from .structure import SsdStructure, structure_of

IMAGE = "image"
TO_XYWH = (1, 0, 3, 2)
"""TensorFlow's deltas are (dy, dx, dh, dw); ours are (dx, dy, dw, dh)."""
NEAR_SIX = 0.01
"""Share by which a range learnt for ReLU6 may miss 6."""

Float = npt.NDArray[np.float32]


def import_tflite_ssd(path: Path, contract: DetectorContract, opset: int) -> onnx.ModelProto:
    """Return a TensorFlow Lite SSD as a float ONNX graph that `cut_foreign` understands.

    Input `image` [1, 3, h, w], normalised; outputs the raw convolutions of the heads, NCHW, of
    the contract's classes only, deltas in the order (dx, dy, dw, dh). With sigmoid scores the
    classes do not see each other: leaving some out changes nothing for the rest. Weights are
    dequantized; what the quantized file had rounded stays rounded, and the ranges of its
    activations come along for `quantization.ranges: trained`. Raises ArtifactError where the file
    is damaged, no such network, or the contract is not its description.
    """
    graph = read_tflite(path)
    try:
        structure = structure_of(graph, path)
    except (*FAULTS, RecursionError) as error:
        raise ArtifactError(f"{path} is damaged: {error!r}") from error
    check_agreement(structure, contract, path)
    return _Builder(structure, contract, score_channels(structure, contract, path)).build(opset)


class _Builder:
    """The nodes and constants of the graph, as they come."""

    def __init__(
        self, structure: SsdStructure, contract: DetectorContract, classes: Sequence[int]
    ) -> None:
        self._tensors = structure.graph.tensors
        self._structure = structure
        self._contract = contract
        self._classes = classes
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._ranges: dict[str, Range] = {}

    def build(self, opset: int) -> onnx.ModelProto:
        """Return the whole graph."""
        heads: dict[int, tuple[str, npt.NDArray[np.int64]]] = {}
        for level, mine in zip(self._structure.levels, self._contract.levels, strict=True):
            scores = _chosen(level.anchors, self._structure.score_channels, self._classes)
            boxes = _chosen(level.anchors, 4, TO_XYWH)
            heads[level.scores.outputs[0]] = (f"raw_{mine.scores}", scores)
            heads[level.boxes.outputs[0]] = (f"raw_{mine.boxes}", boxes)
        names = {self._structure.graph.inputs[0]: IMAGE}
        for operator in self._structure.body:
            number = operator.outputs[0]
            source = names[operator.inputs[0]]
            if number in heads:
                self._head(operator, source, *heads[number])
            else:
                names[number] = self._layer(operator, source)
        spec = self._contract.input
        shape = [1, 3, spec.height, spec.width]
        graph = helper.make_graph(
            self._nodes,
            self._contract.network,
            [helper.make_tensor_value_info(IMAGE, TensorProto.FLOAT, shape)],
            self._outputs,
            self._constants,
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8
        )
        write_trained_ranges(model, self._ranges)
        return model

    def _head(
        self, operator: Operator, source: str, name: str, channels: npt.NDArray[np.int64]
    ) -> None:
        weight, bias = self._weights(operator)
        self._convolution(operator, source, name, weight[channels], bias[channels])
        self._note_range(name, self._tensors[operator.outputs[0]])
        rows, columns = self._tensors[operator.outputs[0]].shape[1:3]
        shape = [1, len(channels), rows, columns]
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def _layer(self, operator: Operator, source: str) -> str:
        """Add a convolution of the body with its activation; return the name of the result."""
        result = self._tensors[operator.outputs[0]]
        low, high = _limits(operator, result)
        self._note_range(result.name, result, low, high)
        if low == -math.inf:
            self._convolution(operator, source, result.name, *self._weights(operator))
            return result.name
        linear = f"{result.name}/linear"
        self._convolution(operator, source, linear, *self._weights(operator))
        if high == math.inf:
            node = helper.make_node("Relu", [linear], [result.name], name=result.name)
        else:
            ends = [
                self._constant(f"{result.name}/{end}", np.asarray(value, np.float32))
                for end, value in (("min", low), ("max", high))
            ]
            node = helper.make_node("Clip", [linear, *ends], [result.name], name=result.name)
        self._nodes.append(node)
        return result.name

    def _note_range(
        self, name: str, tensor: Tensor, low: float = -math.inf, high: float = math.inf
    ) -> None:
        """Keep the range of a tensor's codes in the file, within what its activation lets through.

        A file may have wider codes than the activation's results need.
        """
        if tensor.lowest is not None and tensor.highest is not None:
            self._ranges[name] = Range(
                low=min(max(low, tensor.lowest), 0.0), high=max(min(high, tensor.highest), 0.0)
            )

    def _convolution(
        self, operator: Operator, source: str, name: str, weight: Float, bias: Float
    ) -> None:
        _, rows, columns, _ = self._tensors[operator.inputs[0]].shape
        kernel = weight.shape[2:]
        sides = [(0, 0), (0, 0)]
        if operator.padding == "SAME":
            sides = [
                same_padding(size, side, stride)
                for size, side, stride in zip((rows, columns), kernel, operator.stride, strict=True)
            ]
        inputs = [
            source,
            self._constant(f"{name}.weight", weight),
            self._constant(f"{name}.bias", bias),
        ]
        (top, bottom), (left, right) = sides
        node = helper.make_node(
            "Conv",
            inputs,
            [name],
            name=name,
            kernel_shape=list(kernel),
            strides=list(operator.stride),
            pads=[top, left, bottom, right],
            group=weight.shape[0] if operator.kind == "DEPTHWISE_CONV_2D" else 1,
        )
        self._nodes.append(node)

    def _weights(self, operator: Operator) -> tuple[Float, Float]:
        """Return weights [out, in / groups, kh, kw] and biases [out] of a convolution."""
        weight = self._tensors[operator.inputs[1]].values
        assert weight is not None  # structure_of has looked
        if operator.kind == "DEPTHWISE_CONV_2D":
            weight = weight.transpose(3, 0, 1, 2)  # [1, kh, kw, out] -> [out, 1, kh, kw]
        else:
            weight = weight.transpose(0, 3, 1, 2)  # [out, kh, kw, in] -> [out, in, kh, kw]
        bias = np.zeros(len(weight), np.float32)
        if len(operator.inputs) > 2:
            given = self._tensors[operator.inputs[2]].values
            assert given is not None
            bias = given
        return np.ascontiguousarray(weight), bias

    def _constant(self, name: str, value: Float) -> str:
        self._constants.append(numpy_helper.from_array(value, name))
        return name


def _chosen(anchors: int, width: int, order: Sequence[int]) -> npt.NDArray[np.int64]:
    """Return the output channels to keep, in order: of every anchor's `width` those of `order`."""
    first = np.arange(anchors, dtype=np.int64)[:, None] * width
    return np.asarray(first + np.asarray(order, np.int64), np.int64).reshape(-1)


def _limits(operator: Operator, result: Tensor) -> tuple[float, float]:
    """Return what a layer's results are cut to, infinite where they are not.

    A quantized file may say no activation where the codes of the result do the cutting: what is
    below the first code or above the last one is not representable. ReLU6 over the codes of
    [0, 6] is written so.
    """
    if operator.activation == "RELU6":
        return 0.0, 6.0
    if operator.activation == "RELU":
        return 0.0, math.inf
    if result.lowest != 0 or result.highest is None:
        return -math.inf, math.inf
    # The range of a trained quantizer ends a little below 6: 255 * 0.0235285 is 5.9998.
    is_six = abs(result.highest - 6) <= 6 * NEAR_SIX
    return 0.0, 6.0 if is_six else result.highest
