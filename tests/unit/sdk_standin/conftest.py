"""A tiny network, and the stand-in SDK's tools called on it in this process."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

SIDE = 16
RUNS = 3


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a tool answered."""

    code: int
    out: str
    err: str


Call = Callable[..., Result]


def call(root: Path, tool: str, *words: str | Path) -> Result:
    """Run a tool of a tree in this process, as its script would."""
    from sdk_standin.run_tool import main

    out, err = io.StringIO(), io.StringIO()
    before = os.environ.get("HEXDET_STAND_IN_LIBRARIES")
    os.environ["HEXDET_STAND_IN_LIBRARIES"] = str(root / "lib" / "x86_64-linux-clang")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main([str(root), tool, *map(str, words)])
    finally:
        os.environ.pop("HEXDET_STAND_IN_LIBRARIES")
        if before is not None:
            os.environ["HEXDET_STAND_IN_LIBRARIES"] = before
    return Result(code=code, out=out.getvalue(), err=err.getvalue())


@pytest.fixture(scope="session", name="call")
def call_fixture() -> Call:
    """Return the function that runs a tool of a tree in this process."""
    pytest.importorskip("onnxruntime_qnn", reason="the toolchain extra is not installed")
    return call


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with tiny.onnx (one output NHWC, one NCHW), raws in both layouts, lists."""
    onnx = pytest.importorskip("onnx", reason="the toolchain extra is not installed")
    pytest.importorskip("onnxruntime_qnn", reason="the toolchain extra is not installed")
    from onnx import TensorProto, helper, numpy_helper

    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    constants = {
        "w1": rng.normal(size=(8, 3, 3, 3)).astype(np.float32) / 5,
        "b1": np.zeros(8, np.float32),
        "w2": rng.normal(size=(4, 8, 1, 1)).astype(np.float32),
        "b2": np.ones(4, np.float32),
        "w3": rng.normal(size=(2, 8, 1, 1)).astype(np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["image", "w1", "b1"], ["c1"], "first", pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], ["r1"], "relu"),
        node("Conv", ["r1", "w2", "b2"], ["c2"], "second"),
        node("Transpose", ["c2"], ["scores"], "turned", perm=[0, 2, 3, 1]),
        node("Conv", ["r1", "w3"], ["boxes"], "third"),
    ]
    info, kind = helper.make_tensor_value_info, TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "tiny",
        [info("image", kind, [1, 3, SIDE, SIDE])],
        [info("scores", kind, [1, SIDE, SIDE, 4]), info("boxes", kind, [1, 2, SIDE, SIDE])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "tiny.onnx")
    lists: dict[str, list[str]] = {"nhwc": [], "nchw": []}
    for index in range(RUNS):
        image = rng.uniform(-2, 2, size=(1, 3, SIDE, SIDE)).astype(np.float32)
        for layout, values in (("nchw", image), ("nhwc", image.transpose(0, 2, 3, 1))):
            path = folder / f"{layout}{index}.raw"
            values.tofile(path)
            lists[layout].append(f"image:={path}\n")
    for layout, lines in lists.items():
        (folder / f"{layout}.txt").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from a version to its tree, well-behaved; one tree a version."""
    from sdk_standin.layout import make_tree
    from sdk_standin.versions import VERSIONS

    made: dict[str, Path] = {}

    def tree(version: str) -> Path:
        if version not in made:
            made[version] = make_tree(VERSIONS[version], tmp_path_factory.mktemp("sdk"))
        return made[version]

    return tree


def converted(root: Path, tool: str, tiny: Path, folder: Path, *words: str) -> Path:
    """Return the DLC that a converter makes of the tiny network."""
    target = folder / "float.dlc"
    result = call(root, tool, "-i", tiny / "tiny.onnx", "-o", target, *words)
    assert result.code == 0, result.err
    return target


@pytest.fixture(scope="session")
def float_dlc(
    sdk: Callable[[str], Path], tiny: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the tiny network as the 2.25 legacy converter writes it."""
    folder = tmp_path_factory.mktemp("float")
    return converted(sdk("2.25"), "snpe-onnx-to-dlc", tiny, folder)


@pytest.fixture(scope="session")
def int8_dlc(sdk: Callable[[str], Path], tiny: Path, float_dlc: Path) -> Path:
    """Return that DLC quantized by its own calibration, per channel."""
    target = float_dlc.with_name("int8.dlc")
    words = [f"--input_dlc={float_dlc}", f"--input_list={tiny / 'nhwc.txt'}"]
    words += [f"--output_dlc={target}", "--use_per_channel_quantization"]
    result = call(sdk("2.25"), "snpe-dlc-quant", *words)
    assert result.code == 0, result.out
    return target


@pytest.fixture(scope="session")
def encodings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return encodings for every tensor of the tiny network, in the legacy form."""
    import json

    def entry(low: float, high: float, symmetric: bool = False) -> dict[str, object]:
        return {"bitwidth": 8, "min": low, "max": high, "is_symmetric": str(symmetric)}

    scale = 1 / 64
    activations = {"image": [entry(-2.0, 2.0)], "r1": [entry(0.0, 255 / 32)]}
    activations |= {"scores": [entry(-8.0, 8.0)], "boxes": [entry(-4.0, 4.0)]}
    parameters = {
        name: [entry(-128 * scale, 127 * scale, True)] * count
        for name, count in (("w1", 8), ("w2", 4), ("w3", 2))
    }
    path = tmp_path_factory.mktemp("encodings") / "encodings.json"
    content = {"activation_encodings": activations, "param_encodings": parameters}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
