"""Where the accuracy goes: each layer's error, accumulated and alone, and what to do about it.

A layer is one tensor of codes with all that is computed between it and the codes before it. Its
error is measured against the float graph on the same images, as signal to quantization noise
(SQNR, dB): accumulated, as the layer comes out of the whole integer graph, and alone, against the
float layer computed from the very same dequantized inputs. The error alone splits into what its
weights lose by being codes and what its output loses by rounding and saturation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from ..datasets.opening import open_split
from ..errors import ArtifactError
from ..recipe import Recipe
from ..runtime.backend import graph_path
from ..runtime.contract import InputSpec, load_contract
from ..runtime.images import normalise, to_pixels
from ..runtime.targets import target_of_arch
from .encodings import Codes, code_tensors, plain_name
from .isolation import GIVEN, isolate, with_integer_weights
from .layers import Layers, Pixels, cpu_layers, emulator_layers, graph_layers
from .quantize import base_path

FUSED = ("Clip", "Relu", "LeakyRelu", "PRelu")
"""Activations that the integer layer before them takes in."""
NO_NOISE_DB = 120.0
"""Shown where there is no error at all, or none that float32 could hold."""


@dataclass(frozen=True, kw_only=True)
class LayerError:
    """One layer's error over all images.

    tensor: in the float graph; node: what computes it; operator: its type. bits: of its codes.
    is_output: it is one of the heads, which always have 8 bits.
    sqnr_db: accumulated through the network; sqnr_alone_db: of this layer alone.
    weight_share, activation_share: of the energy of the error alone, 0 to 1 and adding up to 1.
    saturated: share of the float values that lie more than half a code beyond the range.
    """

    tensor: str
    node: str
    operator: str
    bits: int
    is_output: bool
    sqnr_db: float
    sqnr_alone_db: float
    weight_share: float
    activation_share: float
    saturated: float


@dataclass(kw_only=True)
class _Sums:
    """Energies of one layer, summed over the images."""

    signal: float = 0.0
    noise: float = 0.0
    signal_alone: float = 0.0
    noise_alone: float = 0.0
    by_weights: float = 0.0
    by_activation: float = 0.0
    saturated: int = 0
    values: int = 0


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """A tensor of codes: `name` in the float graph, `codes` in the integer one."""

    name: str
    codes: str
    encoding: Codes
    sums: _Sums = field(default_factory=_Sums)


def diagnose_bundle(
    folder: Path,
    recipe: Recipe,
    on_htp: bool,
    limit: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[LayerError]:
    """Return the error of every layer of a bundle on the first `limit` test images.

    on_htp: on the emulated HTP of the recipe instead of onnxruntime's CPU provider. Raises
    ArtifactError for an incomplete bundle, ToolError where the emulator fails.
    """
    integer, base = onnx.load(graph_path(folder, "int8")), onnx.load(base_path(folder))
    dataset, spec = open_split(recipe.data, "test"), load_contract(folder).input
    count = min(limit, len(dataset))
    images = (to_pixels(dataset[index].image, spec) for index in range(count))
    target, limit_s = target_of_arch(recipe.export.target_arch), recipe.export.time_limit_s
    with (
        emulator_layers(integer, target, limit_s)
        if on_htp
        else contextlib.nullcontext(cpu_layers(integer))
    ) as run:
        return diagnose(
            integer,
            base,
            images,
            spec,
            run,
            corrected=recipe.quantization.correct_bias,
            progress=lambda done: progress(done, count),
        )


def diagnose(
    integer: onnx.ModelProto,
    base: onnx.ModelProto,
    images: Iterable[Pixels],
    spec: InputSpec,
    run: Layers,
    *,
    corrected: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> list[LayerError]:
    """Return the error of every layer of an integer graph, in the graph's order.

    base: the float graph that was quantized. images: uint8 [1, h, w, 3] each. run: the integer
    graph on whatever is diagnosed. corrected: its biases are (see `correct_biases`), and each
    layer alone is held against the float layer with its bias. Raises ArtifactError where no layer
    of the two graphs has a name in common.
    """
    layers = _layers(integer, base)
    if not layers:
        raise ArtifactError("the integer graph has no layer of the float graph: quantize again")
    names = [layer.name for layer in layers]
    # A corrected bias differs on purpose, for what the layers before it lose: it is no error here.
    alone = with_integer_weights(base, integer, biases_only=True) if corrected else base
    in_float, isolated = graph_layers(base), isolate(alone, names)
    with_codes = isolate(with_integer_weights(base, integer), names)
    for done, pixels in enumerate(images, 1):
        image = normalise(pixels, spec)
        floats, codes = in_float(image), run(pixels)
        real = {v.name: _dequantize(codes[v.codes], v.encoding) for v in layers}
        feed = {"image": image, **{name + GIVEN: value for name, value in real.items()}}
        exact, rounded = isolated(feed), with_codes(feed)
        for layer in layers:
            name = layer.name
            _add(layer, floats[name], real[name], exact[name], rounded[name])
        progress(done)
    ends = _ends(base)
    return [_judge(layer, _node_of(base, layer.name), layer.name in ends) for layer in layers]


def _ends(model: onnx.ModelProto) -> set[str]:
    """Return the heads' names, before and after their transposes."""
    ends = {output.name for output in model.graph.output}
    transposes = [node for node in model.graph.node if node.op_type == "Transpose"]
    return ends | {node.input[0] for node in transposes if node.output[0] in ends}


def _node_of(model: onnx.ModelProto, tensor: str) -> onnx.NodeProto:
    """Return what computes a tensor; for an activation, the node that it belongs to."""
    producers = {output: node for node in model.graph.node for output in node.output}
    node: onnx.NodeProto = producers[tensor]
    while node.op_type in FUSED and node.input[0] in producers:
        node = producers[node.input[0]]
    return node


def _add(layer: _Layer, expected: Any, found: Any, exact: Any, rounded: Any) -> None:
    """Add one image. exact, rounded: what the float layer makes of the found inputs, either way."""
    sums, encoding = layer.sums, layer.encoding
    kind = np.iinfo(encoding.zero_point.dtype)
    low, high = (
        (bound - float(encoding.zero_point)) * float(encoding.scale)
        for bound in (kind.min - 0.5, kind.max + 0.5)
    )
    sums.signal += _energy(expected)
    sums.noise += _energy(expected - found)
    sums.signal_alone += _energy(exact)
    sums.noise_alone += _energy(exact - found)
    sums.by_weights += _energy(exact - rounded)
    sums.by_activation += _energy(rounded - found)
    sums.saturated += int(((expected < low) | (expected > high)).sum())
    sums.values += expected.size


def _judge(layer: _Layer, node: onnx.NodeProto, is_output: bool) -> LayerError:
    sums = layer.sums
    parts = sums.by_weights + sums.by_activation
    weight_share = sums.by_weights / parts if parts else 0.0
    return LayerError(
        tensor=layer.name,
        node=str(node.name or node.output[0]),
        operator=str(node.op_type),
        is_output=is_output,
        bits=8 * layer.encoding.zero_point.dtype.itemsize,
        sqnr_db=_decibels(sums.signal, sums.noise),
        sqnr_alone_db=_decibels(sums.signal_alone, sums.noise_alone),
        weight_share=weight_share,
        activation_share=1 - weight_share if parts else 0.0,
        saturated=sums.saturated / max(sums.values, 1),
    )


def _decibels(signal: float, noise: float) -> float:
    if noise <= 0 or signal <= 0:
        return NO_NOISE_DB if noise <= 0 else 0.0
    return min(NO_NOISE_DB, float(10 * np.log10(signal / noise)))


def _energy(values: npt.NDArray[np.float32]) -> float:
    return float(np.square(values, dtype=np.float64).sum())


def _dequantize(codes: npt.NDArray[Any], encoding: Codes) -> npt.NDArray[np.float32]:
    centred = codes.astype(np.float32) - encoding.zero_point.astype(np.float32)
    return np.asarray(centred * encoding.scale, np.float32)


def _layers(integer: onnx.ModelProto, base: onnx.ModelProto) -> list[_Layer]:
    """Return the activations that both graphs have, in the float graph's order."""
    activations = {
        plain_name(tensor.codes): tensor
        for tensor in code_tensors(integer).values()
        if tensor.scale.ndim == 0 or tensor.scale.size == 1
    }
    return [
        _Layer(name=name, codes=activations[name].codes, encoding=activations[name])
        for node in base.graph.node
        for name in node.output
        if name in activations
    ]
