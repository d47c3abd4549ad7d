"""Both graphs are timed on the same images; how fast this machine is, is no test."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hexdet.benchmarks import host, host_memory
from hexdet.benchmarks.host_profile import read_profile
from hexdet.datasets.scenes import Scenes
from hexdet.errors import ArtifactError, DataError, ToolError, UsageError

from ..conftest import MakeBundle


def test_both_graphs_are_timed_split_and_profiled(make_bundle: MakeBundle) -> None:
    allowed = os.sched_getaffinity(0)
    image = Scenes(split="test", count=1, seed=0)[0].image
    found = host.measure(make_bundle(), [image], rounds=4, profiled=2)
    assert os.sched_getaffinity(0) == allowed
    assert [cost.precision for cost in found.costs] == ["float", "int8"]
    assert found.speedup > 0 and found.cores == tuple(sorted(allowed)[:1])
    for cost in found.costs:
        parts = sum(cost.times[step].p50_ms for step in ("pre", "net", "post"))
        assert 0 < parts <= 4 * cost.times["call"].p99_ms
        assert cost.memory_bytes is not None and cost.memory_bytes > 0
        assert sum(node.time_us for node in cost.profile.nodes) == pytest.approx(
            cost.profile.total_us
        )
    assert "Slice" in found.costs[1].profile.operators
    rows = host.results(found)
    ratios = [row for row in rows if row.metric == "host_speedup_over_float"]
    assert [row.artifact for row in ratios] == ["tiny/int8.onnx"] and ratios[0].n == 4
    assert ratios[0].sha256 == found.costs[1].sha256


def test_too_many_threads_and_no_images_are_refused(make_bundle: MakeBundle) -> None:
    image = Scenes(split="test", count=1, seed=0)[0].image
    with pytest.raises(UsageError, match="may use"):
        host.measure(make_bundle(), [image], threads=10_000)
    with pytest.raises(DataError, match="no image"):
        host.measure(make_bundle(), [])


def test_a_bundle_that_lacks_a_graph_is_told(make_bundle: MakeBundle) -> None:
    bundle = make_bundle()
    (bundle / "float.onnx").unlink()
    with pytest.raises((ArtifactError, ToolError), match=r"float\.onnx is missing"):
        host.measure(bundle, [Scenes(split="test", count=1, seed=0)[0].image])


def test_the_profile_is_summed_by_operator_without_the_warm_up() -> None:
    def event(name: str, operator: str, dur: int) -> dict[str, object]:
        return {"cat": "Node", "name": name, "dur": dur, "args": {"op_name": operator}}

    events = [
        {"cat": "Session", "name": "model_run", "dur": 999},
        *(event("a_kernel_time", "Conv", dur) for dur in (100, 10, 20)),
        *(event("b_kernel_time", "Conv", dur) for dur in (100, 1, 1)),
        *(event("c_kernel_time", "Add", dur) for dur in (100, 40, 40)),
        event("a_fence_before", "Conv", 1000),
    ]
    found = read_profile(json.dumps(events), 2)
    assert [(node.name, node.time_us) for node in found.nodes] == [("c", 40), ("a", 15), ("b", 1)]
    assert list(found.operators.items()) == [("Add", 40), ("Conv", 16)]
    assert found.total_us == 56


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1]", '[{"cat": "Node"}]'])
def test_what_is_no_profile_is_refused(text: str) -> None:
    with pytest.raises(ToolError, match="profile"):
        read_profile(text, 1)


def test_memory_is_none_where_the_system_does_not_tell(
    monkeypatch: pytest.MonkeyPatch, make_bundle: MakeBundle
) -> None:
    assert host_memory.resident_bytes() and not host_memory.resident_bytes("VmNone")
    monkeypatch.setattr(host_memory, "STATUS", Path("/nowhere/status"))
    assert host_memory.increment(make_bundle(), "int8", 1) is None
