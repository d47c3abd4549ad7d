"""Caffemodels with random weights for a prototxt, as Caffe would write them."""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf import text_format

from hexdet.export.caffe_ssd.schema import message_class

AVERAGED = 999.98
"""How many batches the sums of a BatchNorm layer stand for, after many of them."""


def random_caffemodel(prototxt: str, seed: int = 0) -> bytes:
    """Return weights that keep the activations in size; score heads are sharp enough to detect."""
    net = text_format.Parse(prototxt, message_class("NetParameter")(), allow_unknown_field=True)
    rng = np.random.default_rng(seed)
    result = message_class("NetParameter")(name=net.name)
    channels = {"data": 3, "input": 3}
    for layer in net.layer:
        made = result.layer.add(name=layer.name, type=layer.type)
        if layer.bottom and layer.top:
            channels[layer.top[0]] = channels.get(layer.bottom[0], 0)
        if layer.type == "Convolution":
            section = layer.convolution_param
            kernel = section.kernel_size[0] if section.kernel_size else section.kernel_h
            inputs = channels[layer.bottom[0]] // section.group
            gain = 8.0 if "mbox_conf" in layer.name else 0.2 if "mbox" in layer.name else 2.0
            shape = (section.num_output, inputs, kernel, kernel)
            spread = np.sqrt(gain / (inputs * kernel * kernel))
            _add(made, rng.normal(0, spread, shape))
            if section.bias_term:
                _add(made, rng.normal(0, 0.1, section.num_output))
            channels[layer.top[0]] = section.num_output
        elif layer.type == "BatchNorm":
            count = channels[layer.bottom[0]]
            _add(made, rng.normal(0, 0.3, count) * AVERAGED)
            _add(made, rng.uniform(0.5, 2.0, count) * AVERAGED)
            _add(made, np.asarray([AVERAGED]))
        elif layer.type == "Normalize":
            _add(made, rng.uniform(8, 12, channels[layer.bottom[0]]))
        elif layer.type == "Scale":
            count = channels[layer.bottom[0]]
            _add(made, rng.uniform(0.7, 1.25, count))
            _add(made, rng.normal(0, 0.1, count))
    return bytes(result.SerializeToString())


def _add(layer: Any, values: Any) -> None:
    blob = layer.blobs.add()
    blob.shape.dim.extend(values.shape)
    blob.data.extend(np.asarray(values, np.float32).ravel().tolist())


def random_image(height: int, width: int) -> Any:
    """Return a picture of coarse random patches, uint8 [height, width, 3], BGR."""
    rng = np.random.default_rng(7)
    patches = rng.integers(0, 256, (height // 20, width // 20, 3), np.uint8)
    return np.ascontiguousarray(patches.repeat(20, axis=0).repeat(20, axis=1))
