"""What the HTP takes of a graph is told, and its profile is read; real libraries where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hexdet.benchmarks.emulator import binary_sizes, measure, read_profile, results
from hexdet.errors import ArtifactError, ToolError
from hexdet.runtime.qnn import PROVIDER
from hexdet.runtime.targets import find_target

from ..conftest import HEIGHT, WIDTH, MakeBundle

HEAD = "Msg Timestamp,Message,Time,Unit of Measurement,Timing Source,Event Level,Event Identifier"
PROFILE = f"""{HEAD}
0,FINALIZE,4246390,US,BACKEND,ROOT,QNN (finalize) time
0,UNKNOWN,310,US,BACKEND,SUB-EVENT,Graph Optimizations
0,BACKEND,8142,US,BACKEND,ROOT,Time for initial VTCM acquire
0,BACKEND,140,CYCLES,BACKEND,ROOT,Accelerator (execute) time (cycles)
0,NODE,100,CYCLES,BACKEND,SUB-EVENT,/a/Conv_token_6:OpId_23 (cycles)
0,NODE,40,CYCLES,BACKEND,SUB-EVENT,"/b/Add, x:OpId_100 (cycles)"
0,BACKEND,150,CYCLES,BACKEND,ROOT,Accelerator (execute) time (cycles)
0,NODE,120,CYCLES,BACKEND,SUB-EVENT,/a/Conv_token_6:OpId_23 (cycles)
0,NODE,none,CYCLES,BACKEND,SUB-EVENT,/a/Conv_token_6:OpId_23 (cycles)
0,NODE,30,CYC"""


def test_phases_and_the_nodes_of_all_runs_are_read() -> None:
    assert read_profile("") == ({}, ())
    phases, nodes = read_profile(PROFILE)
    assert phases == {"QNN (finalize) time": 4246390, "Graph Optimizations": 310}
    assert [(n.name, n.cycles) for n in nodes] == [("/a/Conv_token_6", 110), ("/b/Add, x", 40)]


def pixels() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.zeros((1, HEIGHT, WIDTH, 3), np.uint8)


def test_a_graph_that_the_htp_takes_is_profiled_and_compiled(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime_qnn")
    shape = (1, HEIGHT, WIDTH, 3)
    nodes = [
        helper.make_node("DequantizeLinear", ["image", "scale", "zero"], ["a"], name="in"),
        helper.make_node("Sigmoid", ["a"], ["b"], name="curve"),
        helper.make_node("QuantizeLinear", ["b", "scale", "zero"], ["y"], name="out"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, shape)],
        [
            helper.make_tensor("scale", TensorProto.FLOAT, (), [1 / 255]),
            helper.make_tensor("zero", TensorProto.UINT8, (), [0]),
        ],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), tmp_path / "int8.onnx")
    cost = measure(tmp_path, pixels(), find_target("SM8650"), runs=2)
    assert (cost.share, cost.refused, cost.elsewhere, cost.arch) == (1.0, "", (), 75)
    assert cost.placement == {PROVIDER: 3}
    assert cost.nodes and cost.runs == 2 and cost.prepare_s > 0 and cost.phases_us
    sizes = binary_sizes(tmp_path, (75,))
    assert sizes[0].size_bytes and sizes[0].target == "SM8650"
    metrics = {row.metric: row for row in results(tmp_path, [cost], sizes)}
    assert metrics["htp_placement"].value == 1 and metrics["htp_placement"].target == "SM8650"
    assert metrics["context_binary_size"].value == sizes[0].size_bytes
    assert not any("latency" in name for name in metrics)


def test_a_node_that_is_left_over_is_named(make_bundle: MakeBundle) -> None:
    pytest.importorskip("onnxruntime_qnn")
    bundle = make_bundle()  # it joins codes without their scales, which the HTP does not
    cost = measure(bundle, pixels(), find_target("SM8650"))
    assert cost.refused and cost.placement[PROVIDER] == 3 and cost.share == 0.75
    assert len(cost.elsewhere) == 1 and "(Concat)" in cost.elsewhere[0]
    assert [row.metric for row in results(bundle, [cost], [])] == ["htp_placement"]
    assert binary_sizes(bundle, (75,))[0].size_bytes is None


def test_a_process_that_dies_is_told(make_bundle: MakeBundle, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="ended with exit code"):
        measure(make_bundle(), pixels(), find_target("SM8650"), worker="hexdet.no_such_module")
    with pytest.raises(ArtifactError, match=r"int8\.onnx is missing"):
        measure(tmp_path, pixels(), find_target("SM8650"))
