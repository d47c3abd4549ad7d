"""Empirical bias correction: no channel's mean is shifted by what quantization does to it.

Source: Data-Free Quantization, arXiv 1906.04721, section 4.2, in the empirical form of appendix D:
E[y] and E[y~], the outputs of a convolution before its activation in the float and in the quantized
graph, are measured on images, and E[y~] - E[y] is taken off the bias. Layer by layer, so that a
layer is measured with all before it corrected. Neither aimet-onnx nor onnxruntime has it.

Each layer runs once to be measured and once corrected, on codes that were kept of the layers before
it: the cost is two passes over the images, not one a layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from ...errors import ArtifactError
from ...runtime.contract import InputSpec
from ...runtime.images import normalise
from ..cpu_session import cpu_session
from ..encodings import plain_name
from ..graph_edits import IMAGE

Progress = Callable[[int, int], None]
Codes = npt.NDArray[np.generic]
Means = npt.NDArray[np.float64]
MEAN = "_channel_mean"
INT32 = np.iinfo(np.int32)


def correct_biases(
    float_model: onnx.ModelProto,
    integer_model: onnx.ModelProto,
    images: Iterable[npt.NDArray[np.uint8]],
    spec: InputSpec,
    progress: Progress = lambda done, total: None,
) -> onnx.ModelProto:
    """Return the QDQ graph with its int32 bias codes shifted; nothing else of it changes.

    float_model: what the QDQ graph was made from. images: uint8 [1, h, w, 3], read once.
    progress: called with the convolutions done and their number.
    A convolution without a bias stays as it is. Raises ArtifactError where there is no image, or
    where the two graphs have not the same convolutions.
    """
    result = onnx.ModelProto()
    result.CopyFrom(integer_model)
    layers = [node for node in result.graph.node if node.op_type == "Conv"]
    pictures = [np.asarray(image, np.uint8) for image in images]
    if not pictures:
        raise ArtifactError("quantization.correct_bias: there is no image to measure on")
    expected = _float_means(float_model, pictures, spec)
    missing = [node.name for node in layers if plain_name(node.name) not in expected]
    if missing:
        raise ArtifactError(
            f"quantization.correct_bias: the float graph has no convolution {missing[0]}: "
            "the integer graph was made from another one"
        )
    replay = _Replay(result, pictures)
    for done, layer in enumerate(layers, 1):
        if len(layer.input) > 2:
            shift = expected[plain_name(layer.name)] - replay.channel_means(layer.output[0])
            _shift_bias(result, layer.input[2], shift)
        replay.forget([node.output[0] for node in layers[done:]])
        progress(done, len(layers))
    onnx.checker.check_model(result, full_check=True)
    return result


def _float_means(
    model: onnx.ModelProto, pictures: list[npt.NDArray[np.uint8]], spec: InputSpec
) -> dict[str, Means]:
    """Return the mean of every convolution's output, [channels], by the convolution's name."""
    layers = {node.name: node.output[0] for node in model.graph.node if node.op_type == "Conv"}
    session = cpu_session(_with_means(model, list(layers.values())))
    sums: dict[str, Means] = {}
    for picture in pictures:
        means = session.run(
            [name + MEAN for name in layers.values()], {IMAGE: normalise(picture, spec)}
        )
        for layer, mean in zip(layers, means, strict=True):
            sums[layer] = sums.get(layer, 0.0) + mean.astype(np.float64).ravel()
    return {layer: total / len(pictures) for layer, total in sums.items()}


def _with_means(model: onnx.ModelProto, tensors: list[str]) -> onnx.ModelProto:
    """Return a graph whose outputs are the means of some NCHW tensors over rows and columns."""
    measured = onnx.ModelProto()
    measured.CopyFrom(model)
    del measured.graph.output[:]
    for name in tensors:
        measured.graph.node.append(helper.make_node("GlobalAveragePool", [name], [name + MEAN]))
        measured.graph.output.append(helper.make_empty_tensor_value_info(name + MEAN))
    return measured


def _shift_bias(model: onnx.ModelProto, bias: str, shift: Means) -> None:
    """Add a real number a channel, [channels], to a quantized bias, in place.

    bias: name of the tensor that the convolution reads.
    """
    constants = {value.name: value for value in model.graph.initializer}
    source = next((node for node in model.graph.node if bias in node.output), None)
    if source is None or source.op_type != "DequantizeLinear" or source.input[0] not in constants:
        raise ArtifactError(f"quantization.correct_bias: the bias {bias} is not quantized")
    stored = constants[source.input[0]]
    codes = numpy_helper.to_array(stored)
    scale = numpy_helper.to_array(constants[source.input[1]]).astype(np.float64)
    moved = codes.astype(np.float64) + np.rint(shift / scale)
    moved = np.clip(moved, INT32.min, INT32.max).astype(np.int32)
    stored.CopyFrom(numpy_helper.from_array(moved, stored.name))


class _Replay:
    """The integer graph, run a layer at a time on all images; the codes between layers are kept.

    The model may change under it: what is kept was computed before, what comes is not yet.
    """

    def __init__(self, model: onnx.ModelProto, pictures: list[npt.NDArray[np.uint8]]) -> None:
        self._model = model
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
        self._values = {v.name: v for v in (*inferred.value_info, *inferred.input)}
        self._makers = {name: node for node in model.graph.node for name in node.output}
        self._kept: dict[str, list[Codes]] = {IMAGE: list(pictures)}

    def channel_means(self, tensor: str) -> Means:
        """Return the mean of an NCHW tensor over all images, rows and columns, [channels]."""
        for name in self._sources(tensor):
            self._keep(name)
        model = _with_means(self._part(tensor), [tensor])
        means = [mean.astype(np.float64).ravel() for mean in self._run(model, tensor + MEAN)]
        return np.asarray(np.mean(means, axis=0))

    def forget(self, later: list[str]) -> None:
        """Drop the codes that none of the tensors to come is computed from."""
        needed, waiting = {IMAGE}, list(later)
        while waiting:
            for name in self._sources(waiting.pop()) - needed:
                needed.add(name)
                if name not in self._kept:
                    waiting.append(name)
        self._kept = {name: codes for name, codes in self._kept.items() if name in needed}

    def _keep(self, name: str) -> None:
        """Compute the codes of a tensor on all images, and of those that it is computed from."""
        if name in self._kept:
            return
        for source in self._sources(name):
            self._keep(source)
        model = self._part(name)
        model.graph.output.append(self._values[name])
        self._kept[name] = self._run(model, name)

    def _sources(self, tensor: str) -> set[str]:
        """Return the nearest tensors of codes, or the image, that a tensor is computed from."""
        return {name for name in self._walk(tensor)[1] if name not in self._constants()}

    def _constants(self) -> set[str]:
        return {value.name for value in self._model.graph.initializer}

    def _walk(self, tensor: str) -> tuple[list[onnx.NodeProto], set[str]]:
        """Return the nodes from the nearest codes to a tensor, and everything that they read."""
        nodes, ends, waiting = [], set(), [tensor]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            maker = self._makers.get(name)
            is_codes = maker is not None and maker.op_type == "QuantizeLinear"
            if maker is None or (is_codes and name != tensor):
                ends.add(name)
                continue
            nodes.append(maker)
            waiting.extend(n for n in maker.input if n)
        return nodes, ends

    def _part(self, tensor: str) -> onnx.ModelProto:
        """Return the nodes from the nearest codes to a tensor as a graph, without an output."""
        nodes, ends = self._walk(tensor)
        wanted = {name for node in nodes for name in node.output}
        graph = helper.make_graph(
            [node for node in self._model.graph.node if wanted.intersection(node.output)],
            "part",
            [self._values[name] for name in sorted(ends - self._constants())],
            [],
            [value for value in self._model.graph.initializer if value.name in ends],
        )
        return helper.make_model(
            graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version
        )

    def _run(self, model: onnx.ModelProto, output: str) -> list[Codes]:
        """Return an output on every image, from the codes that are kept."""
        session = cpu_session(model)
        inputs = [value.name for value in session.get_inputs()]
        count = len(self._kept[IMAGE])
        return [
            session.run([output], {name: self._kept[name][i] for name in inputs})[0]
            for i in range(count)
        ]
