"""A detector that is converted and quantized in a moment, as a bundle made as any other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from hexdet.export.pipeline import Watcher, export_foreign
from hexdet.recipe import Recipe, parse_recipe

SIDE, STRIDE, HIDDEN = 64, 8, 8


def tiny_ssd() -> onnx.ModelProto:
    """Return a convolution with ReLU6, a second one, their sum, and two heads in NHWC."""
    rng = np.random.default_rng(0)
    constants: list[onnx.TensorProto] = [
        numpy_helper.from_array(np.asarray(value, np.float32), name)
        for name, value in (("low", 0.0), ("high", 6.0))
    ]

    def convolution(
        name: str, source: str, target: str, shape: Sequence[int], stride: int = 1
    ) -> onnx.NodeProto:
        spread = np.geomspace(0.3, 2, shape[0]).reshape(-1, 1, 1, 1)
        weight = rng.normal(size=shape) * spread / np.sqrt(np.prod(shape[1:]))
        bias = rng.normal(size=shape[0]) * 0.1
        for suffix, value in (("weight", weight), ("bias", bias)):
            constants.append(numpy_helper.from_array(value.astype(np.float32), f"{name}.{suffix}"))
        kernel = shape[2]
        pad = 0 if stride == kernel else kernel // 2
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        return helper.make_node(
            "Conv", inputs, [target], name=name,
            kernel_shape=[kernel] * 2, pads=[pad] * 4, strides=[stride] * 2,
        )  # fmt: skip

    cells = SIDE // STRIDE
    nodes = [
        convolution("stem", "image", "/stem/out", (HIDDEN, 3, 8, 8), STRIDE),
        helper.make_node("Clip", ["/stem/out", "low", "high"], ["/stem/clipped"], name="clip"),
        convolution("body", "/stem/clipped", "/body/out", (HIDDEN, HIDDEN, 3, 3)),
        helper.make_node("Add", ["/stem/clipped", "/body/out"], ["/sum"], name="add"),
        convolution("score_head", "/sum", "raw_scores", (2, HIDDEN, 1, 1)),
        convolution("box_head", "/sum", "raw_boxes", (4, HIDDEN, 3, 3)),
        helper.make_node("Transpose", ["raw_scores"], ["scores_8"], name="t1", perm=[0, 2, 3, 1]),
        helper.make_node("Transpose", ["raw_boxes"], ["boxes_8"], name="t2", perm=[0, 2, 3, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info("scores_8", TensorProto.FLOAT, [1, cells, cells, 2]),
            helper.make_tensor_value_info("boxes_8", TensorProto.FLOAT, [1, cells, cells, 4]),
        ],
        constants,
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def tiny_recipe() -> Recipe:
    """Return the recipe of the tiny network, over a folder of images within HEXDET_DATA."""
    content = {
        "name": "tiny",
        "data": {"format": "images", "classes": ["head"], "train": "train", "test": "test"},
        "network": {
            "name": "tiny", "width": SIDE, "height": SIDE, "strides": [STRIDE],
            "anchors": [[[16.0, 16.0]]],
        },
        "calibration": {"images": 4},
    }  # fmt: skip
    return parse_recipe(content, "here")


def write_pictures(folder: Path) -> Path:
    """Write four pictures to calibrate with and two to test on; return the folder."""
    rng = np.random.default_rng(1)
    for split, count in (("train", 4), ("test", 2)):
        (folder / split).mkdir(parents=True)
        for index in range(count):
            noise = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
            cv2.imwrite(str(folder / split / f"{index}.png"), noise)
    return folder


def make_bundle(folder: Path) -> Path:
    """Make the bundle `tiny` within a folder, HEXDET_DATA being that of the pictures."""
    onnx.save(tiny_ssd(), folder / "tiny.onnx")
    export_foreign(tiny_recipe(), folder / "tiny.onnx", folder / "tiny", Watcher())
    return folder / "tiny"
