"""The table of a DLC: parameters, multiply-accumulates, encodings, and its two forms as text."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from hexdet.export.dlc_file import DlcGraph, DlcNode, DlcTensor, read_dlc, tabulate
from hexdet.export.dlc_file.cost import macs, parameters


def _graph(kind, shapes, weights=None, bias=None, **attributes):
    """Return a node of a type with its graph: x -> y, and stored weights."""
    stored = {"w": weights, "b": bias}
    tensors = {
        name: DlcTensor(name=name, dtype="Float_32", shape=shape, kind="native")
        for name, shape in shapes.items()
    } | {
        name: DlcTensor(name=name, dtype="sFxp_8", shape=shape, kind="static")
        for name, shape in stored.items()
        if shape is not None
    }
    inputs = tuple(name for name in tensors if name != "y")
    node = DlcNode(name="n", type=kind, inputs=inputs, outputs=("y",), attributes=attributes)
    return node, DlcGraph(name="g", nodes=(node,), tensors=tensors)


@pytest.mark.parametrize(
    ("kind", "given", "result", "weights", "bias", "expected"),
    [
        # 3x3, 2 -> 4 channels, on 8x8 outputs
        ("Conv2d", (1, 8, 8, 2), (1, 8, 8, 4), (3, 3, 2, 4), (4,), (76, 3 * 3 * 2 * 4 * 64)),
        # two groups of 2 -> 3 channels: the weights hold a group's inputs
        ("Conv2d", (1, 6, 6, 4), (1, 6, 6, 6), (3, 3, 2, 6), None, (108, 3 * 3 * 2 * 6 * 36)),
        ("DepthWiseConv2d", (1, 4, 4, 8), (1, 2, 2, 8), (3, 3, 1, 8), (8,), (80, 3 * 3 * 8 * 4)),
        ("TransposeConv2d", (1, 5, 5, 3), (1, 11, 11, 4), (3, 3, 3, 4), (4,), (112, 25 * 3 * 36)),
        ("FullyConnected", (2, 6), (2, 3), (3, 6), (3,), (21, 36)),
        ("Eltwise_Binary", (1, 2, 2, 3), (1, 2, 2, 3), (3,), None, (3, 0)),
        ("Conv2d", (1, 8, 8, 2), (1, 8, 8, 4), (0, 3, 2, 4), None, (0, 0)),
        ("Conv2d", (1, 8, 8, 2), (1, 8, 8, 4), None, None, (0, 0)),
        ("Softmax", (1, 9), (1, 9), None, None, (0, 0)),
    ],
)
def test_cost_of_a_node(kind, given, result, weights, bias, expected):
    node, graph = _graph(kind, {"x": given, "y": result}, weights, bias)
    assert (parameters(node, graph), macs(node, graph)) == expected


@pytest.mark.parametrize(("transposed", "left"), [(False, (2, 5, 7)), (True, (2, 7, 5))])
def test_cost_of_a_matrix_product(transposed, left):
    shapes = {"x": left, "z": (2, 7, 3), "y": (2, 5, 3)}
    node, graph = _graph("MatMul", shapes, transpose_in0=transposed)
    assert macs(node, graph) == 2 * 5 * 7 * 3


def test_indices_are_no_parameters():
    index = DlcTensor(name="i", dtype="Int_32", shape=(9,), kind="static")
    node = DlcNode(name="g", type="Gather", inputs=("i",), outputs=(), attributes={})
    assert parameters(node, DlcGraph(name="", nodes=(node,), tensors={"i": index})) == 0


def test_rows_and_totals(build, save):
    path = save(build.v4())
    info = tabulate(read_dlc(path))
    (row,) = info.rows
    assert (row.id, row.name, row.type, row.graph) == (0, "c_token_7", "Conv2d", "graph")
    assert (row.inputs, row.outputs) == (("x", "w"), ("y",))
    assert (row.output_shapes, row.output_dtypes) == (((1, 2, 2, 3),), ("Float_32",))
    assert (row.parameters, row.macs) == (info.total_parameters, info.total_macs) == (6, 24)
    assert (row.parameters_share, row.macs_share) == (1.0, 1.0)
    assert row.encodings["w"] == (
        "bitwidth 8, axis 3, 3 channels, scale 0.250000000000 to 2.000000000000, offset 0 to 0"
    )
    assert info.operators == {"Conv2d": 1}
    assert (info.size_bytes, info.container_version) == (path.stat().st_size, 4)
    assert (info.file, info.converter_version) == (path.name, "9.8.7")


def test_text_forms_hold_the_same(build, save):
    info = tabulate(read_dlc(save(build.v3())))
    content = json.loads(info.to_json())
    rows = list(csv.DictReader(io.StringIO(info.to_csv())))
    assert content["total_macs"] == 6 and len(content["rows"]) == len(rows) == 2
    assert list(rows[0]) == list(content["rows"][0])
    assert (rows[1]["output_shapes"], rows[1]["macs"]) == ("1x2", "6")
    # min and max follow from scale and offset where the file has none
    assert "y encoding: bitwidth 8, min" in rows[1]["encodings"]


@pytest.mark.parametrize(
    ("name", "total_parameters", "total_macs", "operator", "count"),
    [
        ("openpilot/v0.6.6_monitoring_model.dlc", 148_705, 116_964_672, "Convolutional", 11),
        ("openpilot/v0.8.5_dmonitoring_model_q.dlc", 944_266, 260_281_408, "Convolutional", 35),
        ("nnstreamer/add2_float.v1.dlc", 1, 0, "Const", 1),
        ("nnstreamer/add2_float.v2.dlc", 1, 0, "Eltwise_Binary", 1),
    ],
)
def test_genuine_files(sample, name, total_parameters, total_macs, operator, count):
    info = tabulate(read_dlc(sample(name)))
    assert (info.total_parameters, info.total_macs) == (total_parameters, total_macs)
    assert info.operators[operator] == count
    assert sum(row.macs_share for row in info.rows) == pytest.approx(1.0 if total_macs else 0.0)


def test_what_qualcomm_writes_of_a_convolution(written):
    info = tabulate(read_dlc(written.dlc))
    assert (info.total_parameters, info.total_macs) == (124, 2 * 3 * 5 * 4 * 4 * 15)
    assert info.operators["Conv2d"] == 1 and info.size_bytes == Path(written.dlc).stat().st_size


def test_the_reference_detector_has_the_published_totals(tmp_path):
    """MobileNetV2-SSD, 300x300, two score channels: snpe-dlc-info is known to print 2750864."""
    torch = pytest.importorskip("torch", reason="the toolchain extra is not installed")
    pytest.importorskip("onnxruntime_qnn", reason="the toolchain extra is not installed")
    onnx = pytest.importorskip("onnx")
    from hexdet.export.dlc import write_dlc
    from hexdet.export.onnx_graph import export_float
    from hexdet.recipe import load_recipe
    from hexdet.training.checkpoint import network_of
    from hexdet.training.contract import contract_of

    torch.set_num_threads(1)
    recipe = load_recipe("heads")
    graphs = export_float(network_of(recipe), contract_of(recipe), recipe.export.opset)
    onnx.save(graphs.simplified, tmp_path / "float.onnx")
    info = tabulate(read_dlc(write_dlc(tmp_path / "float.onnx", tmp_path / "float.dlc", 300)))
    assert (info.total_parameters, info.total_macs) == (2_750_864, 618_007_664)
    assert info.operators["Conv2d"] + info.operators["DepthWiseConv2d"] == 71
