"""What is read of a DLC, against files of known content and genuine ones of every container."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from hexdet.errors import ArtifactError
from hexdet.export.dlc_file import DlcTensor, PerAxisEncoding, PerTensorEncoding, read_dlc

GENUINE = [
    # path, container, converter, nodes, tensors, node types
    ("nnstreamer/add2_float.v1.dlc", 3, "1.53.2.2811", 3, 3, {"Const", "Input"}),
    ("nnstreamer/add2_float.v2.dlc", 4, "2.18.0.231229151826_79175", 1, 3, {"Eltwise_Binary"}),
    ("onnxruntime/test_abs.dlc", 3, "1.51.0.2663", 2, 2, {"ElementwiseUnaryOp"}),
    ("onnxruntime/test_abs_q.dlc", 3, "1.56.2.3050", 2, 2, {"ElementwiseUnaryOp"}),
    ("onnxruntime/test_concat_2d_axis_0.dlc", 3, "1.51.0.2663", 3, 3, {"Concat"}),
    ("openpilot/v0.6.6_monitoring_model.dlc", 2, "1.19.2.0", 48, 48, {"Pooling", "Neuron"}),
    ("openpilot/v0.8.5_dmonitoring_model_q.dlc", 3, "1.41.0.2173", 113, 113, {"Convolutional"}),
]


@pytest.mark.parametrize(("name", "container", "converter", "nodes", "tensors", "types"), GENUINE)
def test_genuine_files(sample, name, container, converter, nodes, tensors, types):
    dlc = read_dlc(sample(name))
    assert (dlc.container_version, dlc.converter_version) == (container, converter)
    assert (len(dlc.model.nodes), len(dlc.model.tensors)) == (nodes, tensors)
    assert types <= set(dlc.model.operators)
    assert dlc.model.inputs and dlc.model.outputs
    known = set(dlc.model.tensors)
    assert all({*node.inputs, *node.outputs} <= known for node in dlc.model.nodes)


def test_one_network_in_two_containers_has_the_same_constant(sample):
    old = read_dlc(sample("nnstreamer/add2_float.v1.dlc")).model
    new = read_dlc(sample("nnstreamer/add2_float.v2.dlc")).model
    assert old.tensors["elementwise_sum_0_const"].data.tolist() == [2.0]
    assert new.tensors["add/y"].data.tolist() == [2.0]
    assert new.tensors["add/y"].kind == old.tensors["elementwise_sum_0_const"].kind == "static"


@pytest.mark.parametrize(
    "name", ["openpilot/v0.6.6_monitoring_model.dlc", "openpilot/v0.8.5_dmonitoring_model_q.dlc"]
)
def test_encodings_of_quantized_weights_span_their_range(sample, name):
    graph = read_dlc(sample(name)).model
    weights = [tensor for node in graph.nodes for tensor in node.parameters.values()]
    assert len(weights) >= 44
    for tensor in weights:
        encoding = tensor.encoding
        assert isinstance(encoding, PerTensorEncoding) and encoding.bitwidth == 8
        assert tensor.data.shape == tensor.shape
        values = tensor.dequantized()
        half = encoding.scale / 2
        assert encoding.minimum - half <= values.min() <= values.max() <= encoding.maximum + half


@pytest.mark.parametrize("wide", [True, False])
def test_v4_by_hand(build, save, wide):
    dlc = read_dlc(save(build.v4(wide=wide)))
    assert (dlc.container_version, dlc.converter_version) == (4, "9.8.7")
    assert dlc.converter_command == "made by hand a=b"
    (node,) = dlc.model.nodes
    assert (node.name, node.type) == ("c_token_7", "Conv2d")
    assert (node.inputs, node.outputs) == (("x", "w"), ("y",))
    assert node.value("group") == 1 and node.value("slope") == 0.5
    assert node.value("flag") is True and node.value("packageName") == "hand"
    assert node.value("stride") == [2, 2] and node.value("absent") is None
    given, weights, result = dlc.model.tensors.values()
    assert given.encoding == PerTensorEncoding(bitwidth=8, scale=0.0078125, offset=-127)
    assert (given.dtype, given.kind, result.kind) == ("uFxp_8", "input", "output")
    assert result.encoding is None and result.bitwidth == 32
    encoding = weights.encoding
    assert isinstance(encoding, PerAxisEncoding)
    assert (encoding.axis, encoding.bitwidth, weights.kind) == (3, 8, "static")
    assert encoding.scales.tolist() == [0.5, 0.25, 2.0] and encoding.offsets.tolist() == [0, 0, 0]
    assert weights.data.tolist() == [[[[5, -2, 3], [4, 127, -128]]]]
    assert weights.dequantized().tolist() == [[[[2.5, -0.5, 6], [2, 31.75, -256]]]]
    with pytest.raises(ValueError, match="read-only"):
        weights.data[0] = 1


def test_v3_by_hand(build, save):
    graph = read_dlc(save(build.v3())).model
    dense = graph.nodes[1]
    assert dense.attributes["in.leaf"] == -5 and dense.attributes["OutputDims.0"] == (1, 2)
    assert [tensor.kind for tensor in graph.tensors.values()] == ["input", "output"]
    assert graph.tensors["x"].dtype == "Float_32" and graph.tensors["y"].dtype == "uFxp_8"
    assert graph.tensors["y"].encoding.offset == -3
    weights = dense.parameters["weights_0"]
    assert weights.dequantized().tolist() == [[0, 0.25, 0.5], [0.75, 1, 1.25]]


def _message(*fields):
    """Return a protocol buffer message: integers as varints, floats as 32 bits, bytes as such."""
    out = b""
    for number, value in fields:
        if isinstance(value, float):
            out += _varint(number << 3 | 5) + struct.pack("<f", value)
        elif isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        else:
            out += _varint(number << 3 | 2) + _varint(len(value)) + value
    return out


def _varint(value):
    out = b""
    while value > 0x7F:
        value, out = value >> 7, out + bytes([value & 0x7F | 0x80])
    return out + bytes([value])


def test_v2_by_hand(save):
    encoding = _message((1, 8), (2, -2.0), (3, 3.0), (4, 0.5), (5, -4.0))
    weights = _message((1, 2), (1, 3), (3, _message((3, bytes(range(6))), (4, encoding))))
    common = [(3, 1), (3, 2), (7, b"x"), (8, b"y"), (10, _message((4, encoding)))]
    given = _message((1, b"x"), (2, 60), (3, 1), (3, 3), (7, b"x"), (8, b"x"), (10, b""))
    dense = _message((1, b"fc"), (2, 100), *common, (70, _message((1, weights), (9, 300))))
    unknown = _message((1, b"u"), (2, 7), (3, 4), (7, b"y"), (8, b"z"), (99, b"\xff no message"))
    model = _message((5, given), (5, dense), (5, unknown), (1, _message((1, b"y"), (3, 2))))
    graph = read_dlc(save({"model": b"\xd5\x0a\2\0\5\0\0\0" + model})).model
    assert graph.operators == {"FullyConnected": 1, "Input": 1, "Type_7": 1}
    assert {t.name: (t.kind, t.shape, t.dtype) for t in graph.tensors.values()} == {
        "x": ("input", (1, 3), "Float_32"),
        "y": ("native", (2,), "uFxp_8"),
        "z": ("output", (4,), "Float_32"),
    }
    assert graph.nodes[1].attributes["70.9"] == 300 and not graph.nodes[2].attributes
    stored = graph.nodes[1].parameters["weights_0"]
    assert stored.dequantized().tolist() == [[-2.0, -1.5, -1.0], [-0.5, 0.0, 0.5]]
    with pytest.raises(ArtifactError, match="cut off"):
        read_dlc(save({"model": b"\xd5\x0a\2\0\5\0\0\0" + model[:-3]}))


@pytest.mark.parametrize(
    ("dtype", "expected"), [("sFxp_8", [5, 0, -7, -8]), ("uFxp_8", [5, 0, 9, 8])]
)
def test_weights_of_four_bits_lie_each_in_the_lower_half_of_a_byte(dtype, expected):
    encoding = PerTensorEncoding(bitwidth=4, scale=0.5, offset=0)
    content = memoryview(bytes([5, 0, 9, 8]))
    tensor = DlcTensor(
        name="w", dtype=dtype, shape=(4,), kind="static", encoding=encoding, bitwidth=4,
        content=content,
    )  # fmt: skip
    assert tensor.data.tolist() == expected
    assert tensor.dequantized().tolist() == [value / 2 for value in expected]


def test_what_qualcomm_writes_of_a_convolution(written):
    dlc = read_dlc(written.dlc)
    graph = dlc.model
    assert dlc.converter_version.startswith("2.") and "libQnnIr" in dlc.converter_command
    (node,) = (node for node in graph.nodes if node.type == "Conv2d")
    assert node.value("pad_amount") == [[1, 0], [2, 1]]
    assert node.value("stride") == [2, 1] and node.value("dilation") == [1, 1]
    weights = graph.tensors[node.inputs[1]]
    # (out, in, height, width) -> (height, width, in, out)
    np.testing.assert_array_equal(weights.data, written.weights.transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(graph.tensors[node.inputs[2]].data, written.bias)
    assert [tensor.name for tensor in graph.inputs] == ["x"]
    assert [tensor.shape for tensor in graph.outputs] == [(1, 4, 4, 15)]


def test_json_metadata_are_flattened(build, save):
    entries = build.v4()
    del entries["dlc.metadata"]
    tool = {"tool": "t", "converterVersion": "3", "args": {"a": 1, "b": [2]}}
    history = {"dlcGenerationInfo": [{"converterCommand": tool}]}
    entries["dlc.metadata.history.2.3.0"] = json.dumps(history).encode()
    entries["dlc.metadata2.3.0"] = b'{"header": {"timestamp": "now"}}'
    dlc = read_dlc(save(entries))
    assert dlc.metadata["header.timestamp"] == "now"
    assert (dlc.converter_version, dlc.converter_command) == ("3", "t a=1 b.0=2")


def test_the_command_is_the_last_steps_with_its_own_arguments(build, save):
    """A quantizer's command carried the arguments of the converter before it."""
    entries = build.v4()
    del entries["dlc.metadata"]
    steps = [{"tool": "convert", "args": {"x": 1}}, {"tool": "quantize", "args": {"y": 2}}]
    history = {"dlcGenerationInfo": [{"converterCommand": step} for step in steps]}
    entries["dlc.metadata.history.2.3.0"] = json.dumps(history).encode()
    assert read_dlc(save(entries)).converter_command == "quantize y=2"


def test_values_that_do_not_fit_their_shape_are_refused_when_asked_for(build, save):
    entries = build.v4()
    entries["model.params"] = entries["model.params"].replace(b"\6\0\0\0\0\0\0\0", b"\5" + bytes(7))
    tensor = read_dlc(save(entries)).model.tensors["w"]
    assert tensor.has_data
    with pytest.raises(ArtifactError, match=r"5 bytes of the tensor 'w'"):
        _ = tensor.data
    with pytest.raises(ArtifactError, match="no values"):
        _ = read_dlc(save(build.v4())).model.tensors["x"].data


@pytest.mark.parametrize(("name", "match"), [("model", "no entry"), ("model.params", "")])
def test_a_missing_part(build, save, name, match):
    entries = build.v4()
    del entries[name]
    if match:
        with pytest.raises(ArtifactError, match=match):
            read_dlc(save(entries))
    else:
        assert not read_dlc(save(entries)).model.tensors["w"].has_data


@pytest.mark.parametrize("header", [b"\xd5\x0a\x09\0", b"\xd5\x0b\x04\0", b""])
def test_an_unknown_header_is_refused(save, header):
    with pytest.raises(ArtifactError):
        read_dlc(save({"model": header and header + bytes(60)}))
