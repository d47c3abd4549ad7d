"""The shared ImageNet classifier, and its graph executed operator by operator as described."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from hexdet.export.tflite_ssd.padding import same_padding

DATA = Path(os.environ.get("HEXDET_DATA") or "data")
MODELS = DATA.parent / "models"
CLASSIFIER = MODELS / "mobilenet_v2_imagenet" / "mobilenet_v2_1.0_224_quant.npz"


class Classify(Protocol):
    """Runs the described graph; `symmetric` pads by 1 on both sides where TensorFlow would not."""

    def __call__(self, image: Tensor, *, symmetric: bool, stop: int | None = None) -> Tensor: ...


@pytest.fixture(scope="session")
def classifier() -> Path:
    """Return the shared classifier's weights."""
    if not CLASSIFIER.is_file():
        pytest.skip(f"no classifier at {CLASSIFIER}: set HEXDET_DATA")
    return CLASSIFIER


@pytest.fixture(scope="session")
def described(classifier: Path) -> Classify:
    """Return the function that runs the classifier's graph as its description says."""
    content = json.loads(classifier.with_suffix(".json").read_text())
    weights = {k: torch.from_numpy(v) for k, v in np.load(classifier).items()}

    def run(image: Tensor, *, symmetric: bool, stop: int | None = None) -> Tensor:
        values = {content["input"]: image}
        for number, operator in enumerate(content["ops"][:stop]):
            values[operator["outs"][0]] = result = _run(
                number, operator, values, weights, symmetric
            )
            if operator["op"] == "CONV_2D" and operator["out_shape"][-1] == 1001:
                return result.flatten(1)
        return result

    return run


def _run(
    number: int,
    operator: dict[str, Any],
    values: dict[int, Tensor],
    weights: dict[str, Tensor],
    symmetric: bool,
) -> Tensor:
    first = values[operator["ins"][0]]
    if operator["op"] == "ADD":
        return first + values[operator["ins"][1]]
    if operator["op"] == "AVERAGE_POOL_2D":
        return first.mean(dim=(2, 3), keepdim=True)
    weight, bias = weights[f"{number:03}.weight"], weights[f"{number:03}.bias"]
    kernel, stride = weight.shape[2], operator["stride"][0]
    sides = [
        (kernel // 2, kernel // 2) if symmetric else same_padding(size, kernel, stride)
        for size in first.shape[2:]
    ]
    (top, bottom), (left, right) = sides
    padded = F.pad(first, (left, right, top, bottom))
    groups = first.shape[1] if operator["op"].startswith("DEPTHWISE") else 1
    result = F.conv2d(padded, weight, bias, stride, groups=groups)
    return result.clamp(0, 6) if operator["act"] == "relu6" else result
