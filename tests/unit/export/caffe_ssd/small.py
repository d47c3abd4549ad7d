"""Networks of a layer or two, written as Caffe would, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from hexdet.errors import ArtifactError
from hexdet.export.caffe_ssd.building import import_caffe_ssd
from hexdet.export.caffe_ssd.schema import message_class

from .conftest import run

Array = npt.NDArray[np.float32]
SIZE = (3, 7, 5)
"""Channels, rows and columns of the small networks' input."""
INPUT = 'input: "data" input_shape { dim: 1 dim: 3 dim: 7 dim: 5 }\n'
CONV = (
    'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
    "convolution_param { num_output: 4 kernel_size: 3 pad: 1 %s } }\n"
)


def layer(name: str, kind: str, bottom: str | Sequence[str], more: str = "", top: str = "") -> str:
    bottoms = [bottom] if isinstance(bottom, str) else bottom
    read = " ".join(f'bottom: "{b}"' for b in bottoms)
    return f'layer {{ name: "{name}" type: "{kind}" {read} top: "{top or name}" {more} }}\n'


def write(folder: Path, text: str, weights: dict[str, list[Array]]) -> tuple[Path, Path]:
    net = message_class("NetParameter")(name="small")
    for name, blobs in weights.items():
        made = net.layer.add(name=name, type="?")
        for values in blobs:
            blob = made.blobs.add()
            blob.shape.dim.extend(values.shape)
            blob.data.extend(values.reshape(-1).tolist())
    # Something else to read: a file without any weights is no caffemodel.
    made = net.layer.add(name="of another network", type="?")
    made.blobs.add(num=1, channels=1, height=1, width=1, data=[0.0])
    caffemodel, prototxt = folder / "small.caffemodel", folder / "small.prototxt"
    caffemodel.write_bytes(net.SerializeToString())
    prototxt.write_text(text if text.startswith("input") else INPUT + text)
    return caffemodel, prototxt


def result(folder: Path, text: str, weights: dict[str, list[Array]] | None = None) -> Any:
    """Return the one output of a small network for the numbers 0, 1, ... as its image."""
    model = import_caffe_ssd(*write(folder, text, weights or {}), 17)
    (value,) = run(model, image()).values()
    return value[0]


def image() -> Array:
    return np.asarray(np.random.default_rng(5).normal(size=(1, *SIZE)), np.float32)


def refusal(folder: Path, text: str, weights: dict[str, list[Array]] | None = None) -> str:
    with pytest.raises(ArtifactError) as caught:
        import_caffe_ssd(*write(folder, text, weights or {}), 17)
    return str(caught.value)


def convolution_weights(bias: bool = True) -> list[Array]:
    rng = np.random.default_rng(1)
    weight = np.asarray(rng.normal(size=(4, 3, 3, 3)), np.float32)
    return [weight, *([np.asarray(rng.normal(size=4), np.float32)] if bias else [])]


BATCH_NORM = layer("n", "BatchNorm", "c", top="c")
SCALE = layer("s", "Scale", "c", "scale_param { bias_term: true }", top="c")


def norm_weights() -> dict[str, list[Array]]:
    rng = np.random.default_rng(2)
    mean, variance = rng.normal(size=4), rng.uniform(0.5, 2, 4)
    gamma, beta = rng.normal(size=4), rng.normal(size=4)
    blobs = {"n": [mean * 7, variance * 7, np.asarray([7.0])], "s": [gamma, beta]}
    return {k: [np.asarray(b, np.float32) for b in v] for k, v in blobs.items()}
