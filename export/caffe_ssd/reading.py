"""Reading a prototxt and a caffemodel into plain layers, as they stand in the phase TEST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from google.protobuf import message, text_format

from ...errors import ArtifactError
from .schema import message_class

Float = npt.NDArray[np.float32]
MAX_BYTES = 2 << 30
"""What protobuf reads at most."""
TRAIN, TEST = 0, 1
DATA_LAYERS = frozenset({"Input", "AnnotatedData", "Data", "ImageData", "VideoData"})


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer; parameters is Caffe's LayerParameter message.

    inputs and outputs name blobs so that each is written once: a layer that works in place reads
    one version of its blob and writes the next.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: Any


@dataclass(frozen=True, kw_only=True)
class Net:
    """A network's definition.

    image: the blob of the input image; transform: how a training of it prepares images, Caffe's
    TransformationParameter message, where the definition says. blobs: the name in the file of
    every blob.
    """

    path: Path
    name: str
    image: str
    height: int
    width: int
    transform: Any | None
    layers: tuple[Layer, ...]
    blobs: Mapping[str, str]


def read_prototxt(path: Path) -> Net:
    """Read a network's definition; of train and test networks in one file the test network.

    Raises ArtifactError, with the line, where the file is no prototxt, and where the network's
    input is none of an image.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise ArtifactError(f"{path} is no prototxt: {error}") from error
    try:
        net = text_format.Parse(text, message_class("NetParameter")(), allow_unknown_field=True)
    except (text_format.ParseError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is no prototxt of a network: line {error}") from error
    if net.layers:
        raise ArtifactError(
            f"{path} is of the format before 2014 (layers): convert it with Caffe's "
            f"upgrade_net_proto_text"
        )
    if not net.layer:
        raise ArtifactError(f"{path} is no prototxt of a network: it has no layer")
    return _net(path, net)


def read_caffemodel(path: Path) -> dict[str, list[Float]]:
    """Return the weights of every layer that has some, by its name, float32.

    Raises ArtifactError where the file is damaged or truncated, or is of another format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ArtifactError(f"{path} has more than 2 GiB: it is no caffemodel of an SSD")
    try:
        net = message_class("NetParameter").FromString(data)
    except message.DecodeError as error:
        raise ArtifactError(f"{path} is damaged, truncated or no caffemodel: {error}") from error
    if net.layers:
        raise ArtifactError(
            f"{path} is of the format before 2014 (layers): convert it with Caffe's "
            f"upgrade_net_proto_binary"
        )
    weights = {
        layer.name: [_array(blob, f"{path}: layer {layer.name}") for blob in layer.blobs]
        for layer in net.layer
        if layer.blobs
    }
    if not weights:
        raise ArtifactError(f"{path} is no caffemodel: it holds no weights")
    return weights


def _array(blob: Any, where: str) -> Float:
    old = (blob.num, blob.channels, blob.height, blob.width)
    shape = tuple(blob.shape.dim) if blob.HasField("shape") else old
    data = blob.data or blob.double_data
    if blob.raw_data:
        raise ArtifactError(f"{where} has weights of NVIDIA's float16 kind, which is not read")
    if any(n < 0 for n in shape) or int(np.prod(shape)) != len(data):
        raise ArtifactError(f"{where} has {len(data)} weights where its shape is {list(shape)}")
    values = np.asarray(data, np.float32).reshape(shape)
    if not np.isfinite(values).all():
        raise ArtifactError(f"{where} has weights that are not finite")
    return values


def _net(path: Path, net: Any) -> Net:
    image, size, transform = "", [], None
    if net.input:
        image = net.input[0]
        size = list(net.input_shape[0].dim) if net.input_shape else list(net.input_dim)[:4]
    current: dict[str, str] = {image: image} if image else {}
    names: dict[str, str] = {image: image} if image else {}
    layers: list[Layer] = []
    for layer in net.layer:
        if not image and layer.type in DATA_LAYERS and layer.top:
            # A training's definition has data layers of both phases, with one transformation.
            image = layer.top[0]
            current |= {blob: blob for blob in layer.top}
            names |= current
        if layer.type in DATA_LAYERS:
            size, transform = _input_of(layer, size, transform)
            continue
        if not _in_test(layer):
            continue
        if layer.name in {known.name for known in layers}:
            raise ArtifactError(f"{path}: two layers have the name {layer.name}")
        unknown = [blob for blob in layer.bottom if blob not in current]
        if unknown:
            raise ArtifactError(
                f"{path}: layer {layer.name} reads {unknown[0]}, which no layer before it gives"
            )
        inputs = tuple(current[blob] for blob in layer.bottom)
        for number, blob in enumerate(layer.top):
            current[blob] = layer.name if number == 0 else f"{layer.name}:{number}"
            names[current[blob]] = blob
        outputs = tuple(current[blob] for blob in layer.top)
        layers.append(
            Layer(
                name=layer.name,
                kind=layer.type,
                inputs=inputs,
                outputs=outputs,
                parameters=layer,
            )
        )
    if len(size) != 4 or size[1] != 3 or min(size[2:]) < 1:
        raise ArtifactError(
            f"{path}: the input {image or 'of the network'} is {size}, not an image (1, 3, h, w)"
        )
    return Net(
        path=path,
        name=net.name or path.stem,
        image=image,
        height=size[2],
        width=size[3],
        transform=transform,
        layers=tuple(layers),
        blobs=names,
    )


def _input_of(layer: Any, size: list[int], transform: Any | None) -> tuple[list[int], Any | None]:
    """Return the input's size and transformation, as far as this data layer says them."""
    if layer.input_param.shape:
        return list(layer.input_param.shape[0].dim), transform
    if not layer.HasField("transform_param"):
        return size, transform
    resize = layer.transform_param.resize_param
    if resize.height and resize.width:
        size = [1, 3, resize.height, resize.width]
    return size, layer.transform_param


def _in_test(layer: Any) -> bool:
    """Return whether a layer is there in the phase TEST.

    MultiBoxLoss stands for the outputs that a training's definition has no other layer for.
    """
    if layer.type == "MultiBoxLoss":
        return True
    if any(rule.HasField("phase") and rule.phase == TEST for rule in layer.exclude):
        return False
    phases = [rule.phase for rule in layer.include if rule.HasField("phase")]
    return not phases or TEST in phases
