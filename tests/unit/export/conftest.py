"""DLCs of known content: built by hand, written by Qualcomm's libraries, and genuine samples."""

from __future__ import annotations

import importlib.util
import os
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import flatbuffers
import numpy as np
import pytest

SAMPLES = Path(os.environ.get("HEXDET_DATA") or "data") / "dlc"
FUZZ = Path(__file__).parents[2] / "fuzz" / "fuzz_dlc.py"
V3 = b"\xd5\x0a\3\0\0\0\0\0"
V4 = b"\xd5\x0a\4\0\1\0\0\0"
METADATA = b"converter-command=made by hand a=b\nconverter-version=9.8.7\nmodel-version=N/A\n"


@pytest.fixture(scope="session")
def fuzzer() -> ModuleType:
    """Return tests/fuzz/fuzz_dlc.py as a module."""
    spec = importlib.util.spec_from_file_location("fuzz_dlc", FUZZ)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sample() -> Callable[[str], Path]:
    """Return a function from a genuine DLC's name to its path; it skips where there is none."""

    def find(name: str) -> Path:
        path = SAMPLES / name
        if not path.is_file():
            pytest.skip(f"no sample {path}: set HEXDET_DATA")
        return path

    return find


class Flat:
    """A FlatBuffer written bottom up: `table` takes field numbers, values are offsets or codes."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(256)

    def text(self, value: str) -> int:
        return int(self.builder.CreateString(value))

    def array(self, values: Sequence[float], code: str = "I") -> int:
        raw = struct.pack(f"<{len(values)}{code}", *values)
        width = struct.calcsize(code)
        self.builder.StartVector(width, len(values), width)
        for byte in reversed(raw):
            self.builder.PrependByte(byte)
        return int(self.builder.EndVector())

    def offsets(self, values: Sequence[int]) -> int:
        self.builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.builder.PrependUOffsetTRelative(value)
        return int(self.builder.EndVector())

    def table(self, fields: Mapping[int, tuple[str, float]]) -> int:
        self.builder.StartObject(max(fields, default=-1) + 1)
        names = {"B": "Uint8", "i": "Int32", "I": "Uint32", "q": "Int64", "f": "Float32"}
        names |= {"d": "Float64", "@": "UOffsetTRelative"}
        for number, (code, value) in fields.items():
            getattr(self.builder, f"Prepend{names[code]}")(value)
            self.builder.Slot(number)
        return int(self.builder.EndObject())

    def finish(self, root: int, identifier: bytes) -> bytes:
        self.builder.Finish(root, identifier)
        return bytes(self.builder.Output())


def v4_entries(*, wide: bool = True, stride: int = 2, weight: int = 5) -> dict[str, bytes]:
    """Return a v4 DLC with one Conv2d: x (1, 4, 4, 2) -> y (1, 2, 2, 3), 1x1 weights per axis."""
    flat = Flat()
    integer, real = ("q", "d") if wide else ("i", "f")

    def tensor(name: str, location: int, shape: Sequence[int], dtype: int, form: int, data: int):
        at = {0: ("I", form)} | ({2 if form == 0 else 3: ("@", data)} if data else {})
        quantization = flat.table(at)
        names, sizes = flat.text(name), flat.array(shape)
        fields = {1: ("@", names), 2: ("i", location), 3: ("@", sizes), 5: ("@", quantization)}
        return flat.table(fields | {6: ("I", dtype)})

    def attribute(name: str, kind: int, content: int) -> int:
        field = 4 if kind else 3
        return flat.table({0: ("@", flat.text(name)), 1: ("i", kind), field: ("@", content)})

    def encoding(bits: int, scale: float, offset: int) -> int:
        return flat.table({0: ("I", bits), 3: ("f", scale), 4: ("i", offset)})

    channels = flat.offsets([encoding(8, scale, 0) for scale in (0.5, 0.25, 2.0)])
    axis = flat.table({0: ("i", 3), 1: ("@", channels)})
    none = 0x7FFFFFFF
    scalars = [
        attribute("group", 0, flat.table({0: ("I", 0x132), 1: (integer, 1)})),
        attribute("slope", 0, flat.table({0: ("I", 0x232), 2: (real, 0.5)})),
        attribute("flag", 0, flat.table({0: ("I", 0x508), 1: (integer, 1)})),
        attribute("packageName", 0, flat.table({0: ("I", 0x608), 3: ("@", flat.text("hand"))})),
        attribute("stride", 1, tensor("c_stride", 4, [2], 0x132, none, 0)),
    ]
    fields = {0: ("@", flat.text("c_token_7")), 1: ("@", flat.text("Conv2d"))}
    fields |= {2: ("@", flat.offsets([flat.text("x"), flat.text("w")]))}
    fields |= {3: ("@", flat.offsets([flat.text("y")])), 4: ("@", flat.offsets(scalars))}
    nodes = flat.offsets([flat.table(fields)])
    tensors = [
        tensor("x", 0, [1, 4, 4, 2], 0x408, 0, encoding(8, 0.0078125, -127)),
        tensor("w", 4, [1, 1, 2, 3], 0x308, 1, axis),
        tensor("y", 1, [1, 2, 2, 3], 0x232, none, 0),
    ]
    graph = {0: ("@", flat.text("graph")), 1: ("@", nodes), 2: ("@", flat.offsets(tensors))}
    model = flat.finish(flat.table({0: ("@", flat.offsets([flat.table(graph)]))}), b"NETD")

    values = np.array([[[[weight, -2, 3], [4, 127, -128]]]], np.int8).tobytes()
    strides = struct.pack("<2I", stride, stride)
    flat = Flat()

    def content(name: str, offset: int, size: int) -> int:
        place = flat.table({0: ("q", offset), 1: ("q", size)})
        return flat.table({0: ("@", flat.text(name)), 3: ("@", place)})

    shared = flat.offsets([content("w", 0, len(values))])
    own = flat.table({0: ("@", flat.offsets([content("c_stride", len(values), 8)]))})
    graph = {0: ("@", flat.text("graph")), 1: ("@", shared), 2: ("@", flat.offsets([own]))}
    parameters = flat.finish(flat.table({0: ("@", flat.offsets([flat.table(graph)]))}), b"NETP")
    return {
        "dlc.metadata": METADATA,
        "model": V4 + model,
        "model.params": V4 + parameters,
        "model.params.bin": values + strides,
    }


def v3_entries(depth: int = 1) -> dict[str, bytes]:
    """Return a v3 DLC: Input x -> FullyConnected y, its weights 2x3 bytes; attributes may nest."""
    flat = Flat()

    def attribute(name: str, kind: int, code: str, value: float) -> int:
        return flat.table({0: ("@", flat.text(name)), 1: ("B", kind), kind + 1: (code, value)})

    def branch(name: str, leaves: Sequence[int]) -> int:
        return attribute(name, 11, "@", flat.offsets(leaves))

    def encoding(delta: float, offset: float) -> int:
        number = attribute("precision", 3, "I", 0x208)
        rest = [attribute("delta", 4, "f", delta), attribute("offset", 4, "f", offset)]
        return branch("FxpData", [branch("0", [number, *rest])])

    def node(name: str, kind: str, inputs: str, outputs: str, size: int, *more: int) -> int:
        shape = branch("OutputDims", [attribute("0", 8, "@", flat.array([1, size]))])
        fields = {1: ("@", flat.text(name)), 2: ("@", flat.text(kind))}
        fields |= {3: ("@", flat.offsets([flat.text(inputs)]))}
        fields |= {4: ("@", flat.offsets([flat.text(outputs)]))}
        return flat.table(fields | {5: ("@", flat.offsets([shape, *more]))})

    nested = attribute("leaf", 2, "i", -5)
    for _ in range(depth):
        nested = branch("in", [nested])
    nodes = [
        node("x", "Input", "x", "x", 3),
        node("fc", "FullyConnected", "x", "y", 2, encoding(0.5, -3.0), nested),
    ]
    model = flat.finish(flat.table({1: ("@", flat.offsets(nodes))}), b"NETD")
    flat = Flat()
    data = flat.table({0: ("B", 6), 1: ("@", flat.array([1, 2, 3, 4, 5, 6], "B"))})
    fields = {0: ("@", flat.text("weights_0")), 1: ("@", flat.array([2, 3])), 2: ("@", data)}
    weights = flat.table(fields | {3: ("@", flat.offsets([encoding(0.25, -1.0)]))})
    owner = flat.table({0: ("@", flat.text("fc")), 1: ("@", flat.offsets([weights]))})
    parameters = flat.finish(flat.table({0: ("@", flat.offsets([owner]))}), b"NETP")
    return {"dlc.metadata": METADATA, "model": V3 + model, "model.params": V3 + parameters}


@pytest.fixture(scope="session")
def build() -> SimpleNamespace:
    """Return the builders: v4 and v3 give entries, Flat writes FlatBuffers."""
    return SimpleNamespace(v4=v4_entries, v3=v3_entries, Flat=Flat, V3=V3, V4=V4)


@pytest.fixture
def save(tmp_path: Path, fuzzer: ModuleType) -> Callable[[Mapping[str, bytes]], Path]:
    """Return a function that packs entries as a DLC and returns its path."""
    names = iter(range(1000))

    def write(entries: Mapping[str, bytes]) -> Path:
        path = tmp_path / f"{next(names)}.dlc"
        path.write_bytes(fuzzer.pack(dict(entries)))
        return path

    return write


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return what Qualcomm's libraries wrote of a small convolution: dlc, again, weights, bias."""
    onnx = pytest.importorskip("onnx", reason="the toolchain extra is not installed")
    pytest.importorskip("onnxruntime_qnn", reason="the toolchain extra is not installed")
    from hexdet.export.dlc import write_dlc

    folder = tmp_path_factory.mktemp("written")
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(4, 2, 3, 5)).astype(np.float32)
    bias = np.arange(4, dtype=np.float32)
    values = {"w": weights, "b": bias}
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "w", "b"], ["mid"], "first", strides=[2, 1], pads=[1, 2, 0, 1]),
        node("Relu", ["mid"], ["y"], "second"),
    ]
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [info("x", onnx.TensorProto.FLOAT, [1, 2, 9, 16])],
        [info("y", onnx.TensorProto.FLOAT, [1, 4, 4, 15])],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    path = folder / "conv.onnx"
    onnx.save(model, path)
    made = [write_dlc(path, folder / name, 120) for name in ("conv.dlc", "again.dlc")]
    return SimpleNamespace(dlc=made[0], again=made[1], weights=weights, bias=bias)
