"""BatchNorm and Scale folded into the convolution before them: what merge_bn does in Caffe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import ArtifactError
from .reading import Float, Layer, Net

CONVOLUTIONS = frozenset({"Convolution", "DepthwiseConvolution", "ConvolutionDepthwise"})


@dataclass(frozen=True, kw_only=True)
class Affine:
    """y = factor * x + summand, for every channel; float32 [channels]."""

    factor: Float
    summand: Float


@dataclass(frozen=True, kw_only=True)
class Folded:
    """A network without the layers that were folded, and its weights.

    into: the convolutions that took others in: they have a bias now. folded: what they took.
    """

    net: Net
    weights: Mapping[str, list[Float]]
    into: frozenset[str]
    folded: tuple[str, ...]


def fold(net: Net, weights: Mapping[str, list[Float]], weights_path: object) -> Folded:
    """Fold every BatchNorm and Scale that stands behind a convolution which nothing else reads.

    Others stay. Raises ArtifactError, naming the layer, where weights are missing or have another
    shape.
    """
    layers: list[Layer] = []
    renamed: dict[str, str] = {}
    result = dict(weights)
    folded, into = [], set[str]()
    readers = Counter(blob for layer in net.layers for blob in layer.inputs)
    places: dict[str, int] = {}
    for layer in net.layers:
        layer = replace(layer, inputs=tuple(renamed.get(blob, blob) for blob in layer.inputs))
        where = f"{weights_path}: layer {layer.name} ({layer.kind})"
        source = layer.inputs[0] if layer.inputs else ""
        before = layers[places[source]] if source in places else None
        if (
            layer.kind in ("BatchNorm", "Scale")
            and len(layer.inputs) == 1
            and before is not None
            and before.kind in CONVOLUTIONS
            and readers[before.outputs[0]] == 1
        ):
            channels = before.parameters.convolution_param.num_output
            step = affine_of(layer, weights, channels, where)
            if before.name not in into:
                result[before.name] = _with_bias(before, weights, weights_path)
            into.add(before.name)
            result[before.name] = _applied(result[before.name], step)
            result.pop(layer.name, None)
            folded.append(layer.name)
            renamed[layer.outputs[0]] = before.outputs[0]
            # What read the norm reads the convolution now.
            readers[before.outputs[0]] = readers[layer.outputs[0]]
            continue
        for blob in layer.outputs:
            places[blob] = len(layers)
        layers.append(layer)
    blobs = {blob: name for blob, name in net.blobs.items() if blob not in renamed}
    for gone, kept in renamed.items():
        blobs[kept] = net.blobs[gone]
    return Folded(
        net=replace(net, layers=tuple(layers), blobs=blobs),
        weights=result,
        into=frozenset(into),
        folded=tuple(folded),
    )


def affine_of(
    layer: Layer, weights: Mapping[str, list[Float]], channels: int, where: str
) -> Affine:
    """Return what a BatchNorm or Scale layer does to each channel.

    A BatchNorm divides by sqrt(variance + eps): src/caffe/layers/batch_norm_layer.cpp.
    """
    given = [blob.reshape(-1) for blob in weights.get(layer.name, [])]
    if layer.kind == "BatchNorm":
        _check_blobs(given, [channels, channels, 1], where)
        mean, variance = statistics_of(given)
        deviation = np.sqrt(variance + layer.parameters.batch_norm_param.eps)
        factor = (1 / deviation).astype(np.float32)
        return Affine(factor=factor, summand=-mean * factor)
    section = layer.parameters.scale_param
    if section.axis != 1 or section.num_axes != 1:
        raise ArtifactError(f"{where} does not scale by channel: axis and num_axes must be 1")
    _check_blobs(given, [channels, channels] if section.bias_term else [channels], where)
    summand = given[1] if section.bias_term else np.zeros(channels, np.float32)
    return Affine(factor=given[0], summand=summand)


def statistics_of(blobs: Sequence[Float]) -> tuple[Float, Float]:
    """Return mean and variance of each channel of a BatchNorm layer's three blobs.

    They are sums over batches, and the third is how many: of 0 Caffe makes zeros.
    """
    mean, variance, count = blobs
    share = np.float32(0 if count[0] == 0 else 1 / count[0])
    return mean * share, variance * share


def _with_bias(
    layer: Layer, weights: Mapping[str, list[Float]], weights_path: object
) -> list[Float]:
    """Return the weight and the bias, zero where the layer has none, of a convolution."""
    section = layer.parameters.convolution_param
    given = weights.get(layer.name, [])
    blobs = 2 if section.bias_term else 1
    if len(given) != blobs or any(len(blob.reshape(-1)) % section.num_output for blob in given):
        raise ArtifactError(
            f"{weights_path}: layer {layer.name} (Convolution) has "
            f"{[list(blob.shape) for blob in given] or 'no weights'}, the prototxt means {blobs} "
            f"blobs of {section.num_output} output channels"
        )
    weight = given[0].reshape(section.num_output, -1)
    bias = given[1].reshape(-1) if section.bias_term else np.zeros(len(weight), np.float32)
    return [given[0], bias]


def _applied(given: list[Float], step: Affine) -> list[Float]:
    weight, bias = given
    rows = weight.reshape(len(step.factor), -1) * step.factor[:, None]
    return [rows.reshape(weight.shape), bias * step.factor + step.summand]


def _check_blobs(given: list[Float], sizes: list[int], where: str) -> None:
    found = [len(blob) for blob in given]
    if found != sizes:
        raise ArtifactError(f"{where} has {found or 'no'} weights, the prototxt means {sizes}")
