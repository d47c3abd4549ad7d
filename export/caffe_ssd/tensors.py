"""The weights of a Caffe network as named tensors, batch norms as PyTorch has them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...errors import ArtifactError
from ...training.weights_in.caffe_networks import NORM
from .building import build
from .folding import CONVOLUTIONS, fold, statistics_of
from .reading import Float, Layer, read_caffemodel, read_prototxt

EPS = 1e-5
"""Of every batch norm here, and Caffe's own."""


def read_caffe_tensors(weights: Path, prototxt: Path) -> dict[str, Tensor]:
    """Return the tensors of a Caffe network by name, for a network of ours.

    NAME.weight and NAME.bias of a layer; of the BatchNorm and Scale behind a convolution
    NAME/norm.weight, .bias, .running_mean and .running_var, NAME being the convolution's. Raises
    ArtifactError, naming the layer, where the files are damaged or do not belong together, or
    where a batch norm stands elsewhere.
    """
    net, given = read_prototxt(prototxt), read_caffemodel(weights)
    build(fold(net, given, weights), weights)  # whose shapes are then known to fit
    tensors: dict[str, Tensor] = {}
    convolution: dict[str, str] = {}
    for layer in net.layers:
        source = convolution.get(layer.inputs[0]) if layer.inputs else None
        if layer.kind in CONVOLUTIONS:
            convolution[layer.outputs[0]] = layer.name
        if layer.kind in ("BatchNorm", "Scale"):
            if source is None:
                raise ArtifactError(
                    f"{prototxt}: layer {layer.name} ({layer.kind}) stands behind no convolution"
                )
            tensors |= _norm(layer, given, f"{source}{NORM}")
            convolution[layer.outputs[0]] = source
        elif layer.name in given:
            names = ("weight", "bias")
            blobs = zip(names, given[layer.name], strict=False)
            tensors |= {f"{layer.name}.{key}": _tensor(blob) for key, blob in blobs}
            if f"{layer.name}.bias" in tensors:
                tensors[f"{layer.name}.bias"] = tensors[f"{layer.name}.bias"].reshape(-1)
    return tensors


def _norm(layer: Layer, given: Mapping[str, list[Float]], name: str) -> dict[str, Tensor]:
    blobs = [blob.reshape(-1) for blob in given[layer.name]]
    if layer.kind == "Scale":
        bias = blobs[1] if len(blobs) > 1 else 0 * blobs[0]
        return {f"{name}.weight": _tensor(blobs[0]), f"{name}.bias": _tensor(bias)}
    mean, variance = statistics_of(blobs)
    # A norm with another eps does the same with a variance that makes up for it.
    variance = variance + (layer.parameters.batch_norm_param.eps - EPS)
    return {f"{name}.running_mean": _tensor(mean), f"{name}.running_var": _tensor(variance)}


def _tensor(values: Float) -> Tensor:
    return torch.from_numpy(values.copy())
