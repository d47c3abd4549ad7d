"""Costs of small networks, worked out by hand, and the same ones whatever the file's form."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from hexdet.benchmarks.cost.counting import NetworkCost, count, live_elements
from hexdet.benchmarks.cost.from_dlc import load_dlc
from hexdet.benchmarks.cost.from_onnx import load_onnx
from hexdet.benchmarks.cost.measuring import measure, sdk_memory, verdict
from hexdet.benchmarks.cost.network import Network, Operation
from hexdet.benchmarks.cost.page import save_page
from hexdet.benchmarks.cost.published import PEAKS, bounds
from hexdet.errors import ArtifactError
from hexdet.evaluation.graph_cost import graph_cost
from hexdet.export.dlc_file import DlcFile, DlcGraph, DlcNode, DlcTensor
from hexdet.runtime.targets import TARGETS

from .test_results import layer_chain


def stored(name: str, *shape: int, dtype: type = np.float32) -> onnx.TensorProto:
    return numpy_helper.from_array(np.zeros(shape, dtype), name)


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    weights: list[onnx.TensorProto],
    image: tuple[int | str, ...] = (1, 3, 8, 6),
) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def cost_of(path: Path) -> NetworkCost:
    return measure(str(path))[0].cost


def test_a_graph_of_views_alone_costs_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", [helper.make_node("Identity", ["image"], ["y"])], [])
    cost = cost_of(path)
    assert (cost.layers, cost.parameters, cost.macs, cost.peak, cost.moved) == ((), 0, 0, 0, 0)
    assert cost.intensity_uint8 == 0


RESIDUAL = [
    helper.make_node("Conv", ["image", "w1", "b1"], ["a"]),  # 4 x 8 x 6 = 192
    helper.make_node("Relu", ["a"], ["r"]),  # alone: in place
    helper.make_node("Conv", ["r", "w2"], ["c"], group=4, pads=[1, 1, 1, 1]),  # 192
    helper.make_node("Add", ["r", "c"], ["y"]),
]
WEIGHTS = [stored("w1", 4, 3, 1, 1), stored("b1", 4), stored("w2", 4, 1, 3, 3)]


def test_a_residual_block_by_hand(tmp_path: Path) -> None:
    cost = cost_of(save(tmp_path / "a.onnx", RESIDUAL, WEIGHTS))
    assert [row.type for row in cost.layers] == ["Conv", "Conv", "Add"]
    assert cost.parameters == 12 + 4 + 36
    assert cost.macs == 192 * 3 + 192 * 9
    assert cost.weight_bytes == 4 * cost.parameters
    # image 144 and a; a and c; a, c and y
    assert [row.live for row in cost.layers] == [336, 384, 576]
    assert (cost.peak, cost.peak_layer) == (576, "y")
    assert cost.peak_float32_bytes == 4 * 576 and cost.peak_uint8_bytes == 576
    assert [row.moved for row in cost.layers] == [144 + 192 + 16, 384 + 36, 576]
    assert cost.least_moved == 52 + 144 + 192
    assert cost.intensity_uint8 == cost.macs / (352 + 420 + 576) == 4 * cost.intensity_float32


def test_an_activation_that_is_not_alone_is_a_layer(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["a"]),
        helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Add", ["a", "r"], ["y"]),
    ]
    cost = cost_of(save(tmp_path / "a.onnx", nodes, WEIGHTS[:1]))
    assert [row.type for row in cost.layers] == ["Conv", "Relu", "Add"]


def test_quantizers_are_free_and_weights_count_as_stored(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("DequantizeLinear", ["w8", "s", "z"], ["w1"]),
        helper.make_node("Conv", ["image", "w1"], ["a"]),
        helper.make_node("Clip", ["a", "lo", "hi"], ["k"]),
        helper.make_node("QuantizeLinear", ["k", "s", "z8"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z8"], ["d"]),
        helper.make_node("Transpose", ["d"], ["y"], perm=[0, 2, 3, 1]),
    ]
    weights = [
        stored("w8", 4, 3, 1, 1, dtype=np.int8),
        *(stored("z", dtype=np.int8), stored("z8", dtype=np.uint8)),
        *(stored("s"), stored("lo"), stored("hi")),
    ]
    cost = cost_of(save(tmp_path / "q.onnx", nodes, weights))
    assert [(row.type, row.live) for row in cost.layers] == [("Conv", 144 + 192)]
    assert (cost.parameters, cost.weight_bytes, cost.macs) == (12, 12, 192 * 3)


@pytest.mark.parametrize(
    ("node", "weights", "parameters", "macs"),
    [
        (helper.make_node("ConvTranspose", ["image", "w"], ["y"], strides=[2, 2]),
         [stored("w", 3, 5, 2, 2)], 60, 144 * 5 * 4),
        (helper.make_node("MatMul", ["image", "w"], ["y"]), [stored("w", 6, 7)], 42, 24 * 7 * 6),
        (helper.make_node("MaxPool", ["image"], ["y"], kernel_shape=[2, 2]), [], 0, 0),
        (helper.make_node("PRelu", ["image", "w"], ["y"]), [stored("w", 3, 1, 1)], 3, 0),
        (helper.make_node("Clip", ["image", "w"], ["y"]), [stored("w")], 0, 0),
    ],
    ids=["transposed", "product", "pool", "slopes", "limits"],
)  # fmt: skip
def test_one_layer(
    tmp_path: Path,
    node: onnx.NodeProto,
    weights: list[onnx.TensorProto],
    parameters: int,
    macs: int,
) -> None:
    cost = cost_of(save(tmp_path / "a.onnx", [node], weights))
    assert (cost.parameters, cost.macs) == (parameters, macs)


@pytest.mark.parametrize("image", [("n", 3, 8, 6), (1, 3, "h", "w")])
def test_shapes_that_are_not_fixed_are_refused(tmp_path: Path, image: tuple[Any, ...]) -> None:
    with pytest.raises(ArtifactError, match="is not fixed"):
        cost_of(save(tmp_path / "a.onnx", RESIDUAL, WEIGHTS, image))


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no graph")
    for subject in (tmp_path / "a.onnx", tmp_path / "b.dlc", tmp_path):
        with pytest.raises(ArtifactError):
            measure(str(subject))


def test_a_dlc_of_the_same_block_costs_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tensor(name: str, kind: Any, *shape: int) -> DlcTensor:
        return DlcTensor(name=name, dtype="Float_32", shape=shape, kind=kind)

    flat = [
        tensor("image", "input", 1, 8, 6, 3),
        *(tensor(name, "native", 1, 8, 6, 4) for name in "arc"),
        tensor("y", "output", 1, 8, 6, 4),
        *(tensor("w1", "static", 1, 1, 3, 4), tensor("b1", "static", 4)),
        tensor("w2", "static", 3, 3, 1, 4),
    ]
    rows = [
        ("Conv2d", ("image", "w1", "b1"), "a"),
        ("Neuron", ("a",), "r"),
        ("DepthWiseConv2d", ("r", "w2"), "c"),
        ("Eltwise_Binary", ("r", "c"), "y"),
    ]
    nodes = [
        DlcNode(name=out, type=kind, inputs=given, outputs=(out,), attributes={})
        for kind, given, out in rows
    ]
    dlc = DlcFile(
        path=tmp_path / "a.dlc",
        container_version=4,
        size_bytes=0,
        entries=(),
        metadata={},
        converter_version="",
        converter_command="",
        graphs=(DlcGraph(name="g", nodes=tuple(nodes), tensors={t.name: t for t in flat}),),
    )
    monkeypatch.setattr("hexdet.benchmarks.cost.from_dlc.read_dlc", lambda path: dlc)
    ours = count(load_dlc(dlc.path), "a.dlc", 0)
    theirs = count(load_onnx(save(tmp_path / "a.onnx", RESIDUAL, WEIGHTS)), "a.onnx", 0)
    assert verdict(ours, theirs) == "the same"
    figures = ("weight_bytes", "moved", "least_moved")
    assert all(getattr(ours, name) == getattr(theirs, name) for name in figures)


def test_a_float_graph_counts_as_the_report_counts_it(tmp_path: Path) -> None:
    path = save(tmp_path / "a.onnx", RESIDUAL, WEIGHTS)
    expected = graph_cost(onnx.load(path))
    cost = cost_of(path)
    assert (cost.parameters, cost.macs) == (expected.parameters, expected.macs)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=9))
def test_a_chain_lives_on_two_neighbours(sizes: list[int]) -> None:
    network = layer_chain(sizes)
    assert live_elements(network) == [a + b for a, b in itertools.pairwise(sizes)]


@given(st.lists(st.integers(1, 50), min_size=2, max_size=9))
def test_outputs_live_to_the_end(sizes: list[int]) -> None:
    network = layer_chain(sizes, all_out=True)
    assert live_elements(network)[-1] == sum(sizes[1:]) + (sizes[0] if len(sizes) == 2 else 0)


def test_memory_is_the_sdks_own_or_none(tmp_path: Path) -> None:
    log = tmp_path / "dlc_info.txt"
    log.write_text("Total MACs: 1\nEst. Steady-State Memory Needed to Run: 345.9 MiB\n---")
    assert sdk_memory([], []) == []
    assert sdk_memory([], [log]) == sdk_memory([str(tmp_path)], []) == [(str(log), 345.9)]
    log.write_text("Total MACs: 1")
    assert sdk_memory([str(tmp_path)], []) == []
    with pytest.raises(ArtifactError, match="Memory Needed to Run"):
        sdk_memory([], [log])


def test_published_peaks_are_of_targets_and_have_sources(tmp_path: Path) -> None:
    assert all(peak.target in TARGETS and peak.source for peak in PEAKS)
    cost = cost_of(save(tmp_path / "a.onnx", RESIDUAL, WEIGHTS))
    for peak, bound in zip(PEAKS, bounds(cost), strict=True):
        assert bound.compute_ms == pytest.approx(2 * cost.macs / peak.tops / 1e9)
        assert bound.memory_ms < bound.spilled_ms == pytest.approx(cost.moved / peak.gb_s / 1e6)


def test_the_page_escapes_names_and_draws_every_layer(tmp_path: Path) -> None:
    nodes = [helper.make_node("Conv", ["image", "w1"], ["y"], name="<b>conv</b>")]
    found = measure(str(save(tmp_path / "a.onnx", nodes, WEIGHTS[:1])))
    text = save_page(found, [("log", 1.5)], tmp_path / "cost.html").read_text()
    assert "<b>conv" not in text and "&lt;b&gt;conv" in text
    assert text.count('class="bar"') == 2  # work, memory
    assert "1.5 MiB" in text
    assert json.dumps([one.sha256 for one in found])


def test_two_files_that_differ_are_told_apart(tmp_path: Path) -> None:
    one = cost_of(save(tmp_path / "a.onnx", RESIDUAL, WEIGHTS))
    nodes = [*RESIDUAL[:3], helper.make_node("Add", ["c", "c"], ["y"])]
    other = cost_of(save(tmp_path / "b.onnx", nodes, WEIGHTS))
    assert verdict(other, one) == "-192 peak"


def test_a_network_without_layers_has_no_peak() -> None:
    network = Network(layers=(), elements={}, inputs=(), outputs=())
    assert live_elements(network) == [] and count(network, "a", 0).peak == 0
    assert Operation(name="a", type="b", kind="view", inputs=(), outputs=()).macs == 0
