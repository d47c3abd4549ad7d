"""A bundle of a few hundred bytes whose outputs are pixels of its input: quick, and it tells
pictures apart."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from hexdet.runtime.contract import DetectorContract, InputSpec, Level
from hexdet.runtime.encodings import Encoding

WIDTH, HEIGHT, STRIDE = 48, 32, 16
CONTRACT = DetectorContract(
    name="tiny",
    network="tiny",
    classes=("head",),
    input=InputSpec(width=WIDTH, height=HEIGHT, colour="bgr"),
    levels=(
        Level(
            stride=STRIDE,
            rows=HEIGHT // STRIDE,
            columns=WIDTH // STRIDE,
            anchors=((12.0, 12.0),),
            scores="scores_16",
            boxes="boxes_16",
        ),
    ),
    encodings={
        "scores_16": Encoding(scale=0.05, zero_point=128),
        "boxes_16": Encoding(scale=0.02, zero_point=128),
    },
)

MakeBundle = Callable[..., Path]


def tiny_graph(
    *, integer: bool, width: int = WIDTH, image: str = "image", boxes: str = "boxes_16"
) -> onnx.ModelProto:
    """Return a graph whose scores are the blue and green of each cell's corner pixel, and whose
    deltas are the colours, and the blue again, of its centre pixel."""
    kind = TensorProto.UINT8 if integer else TensorProto.FLOAT
    shape = (1, HEIGHT, width, 3) if integer else (1, 3, HEIGHT, width)
    rows, columns = HEIGHT // STRIDE, width // STRIDE
    nodes = []
    if not integer:
        nodes.append(helper.make_node("Transpose", [image], ["nhwc"], perm=(0, 2, 3, 1)))
    numbers: dict[str, Sequence[int]] = {
        "axes": (1, 2, 3), "steps": (STRIDE, STRIDE, 1),
        "corner": (0, 0, 0), "centre": (STRIDE // 2, STRIDE // 2, 0),
        "two": (HEIGHT, width, 2), "three": (HEIGHT, width, 3), "one": (HEIGHT, width, 1),
    }  # fmt: skip
    source = image if integer else "nhwc"
    for start, end, name in (
        ("corner", "two", "scores_16"), ("centre", "three", "colours"), ("centre", "one", "blue"),
    ):  # fmt: skip
        nodes.append(helper.make_node("Slice", [source, start, end, "axes", "steps"], [name]))
    nodes.append(helper.make_node("Concat", ["colours", "blue"], [boxes], axis=3))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(image, kind, shape)],
        [
            helper.make_tensor_value_info("scores_16", kind, (1, rows, columns, 2)),
            helper.make_tensor_value_info(boxes, kind, (1, rows, columns, 4)),
        ],
        [
            helper.make_tensor(name, TensorProto.INT64, (3,), values)
            for name, values in numbers.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


@pytest.fixture
def make_bundle(tmp_path: Path) -> MakeBundle:
    """Return a function that writes the tiny bundle.

    contract: changes of its contract; the rest are arguments of `tiny_graph`.
    """

    def make(contract: dict[str, object] | None = None, **graph: object) -> Path:
        folder = tmp_path / "tiny"
        folder.mkdir(exist_ok=True)
        dataclasses.replace(CONTRACT, **(contract or {})).save(folder)  # type: ignore[arg-type]
        for name, integer in (("int8.onnx", True), ("float.onnx", False)):
            onnx.save(tiny_graph(integer=integer, **graph), folder / name)  # type: ignore[arg-type]
        return folder

    return make
