"""The benchmark of calibration measures what it says, on a network of two convolutions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hexdet.benchmarks.calibration import ESTIMATORS, measure_memory, measure_time, noise
from hexdet.errors import ToolError
from hexdet.runtime.contract import DetectorContract, InputSpec, Level

SPEC = InputSpec(width=64, height=48)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a contract and a float graph, and nothing else."""
    folder = tmp_path_factory.mktemp("bundle")
    rng = np.random.default_rng(0)
    nodes, constants, outputs = [], [], []
    for name, channels in (("scores_8", 2), ("boxes_8", 4)):
        weight = rng.normal(size=(channels, 3, 8, 8)).astype(np.float32)
        constants.append(numpy_helper.from_array(weight, f"{name}.weight"))
        nodes += [
            helper.make_node(
                "Conv", ["image", f"{name}.weight"], [f"{name}.raw"], name=name, strides=[8, 8]
            ),
            helper.make_node("Transpose", [f"{name}.raw"], [name], perm=[0, 2, 3, 1]),
        ]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 6, 8, channels]))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 48, 64])
    graph = helper.make_graph(nodes, "g", [image], outputs, constants)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / "float.onnx")
    level = Level(
        stride=8, rows=6, columns=8, anchors=((9.0, 9.0),), scores="scores_8", boxes="boxes_8"
    )
    DetectorContract(
        name="tiny", network="tiny", classes=("head",), input=SPEC, levels=(level,)
    ).save(folder)
    return folder


def test_noise_is_the_same_every_time() -> None:
    first, again = noise(SPEC, 3), noise(SPEC, 3)
    assert first.sha256 == again.sha256 and len(set(first.sha256)) == 3
    assert first[0].shape == (1, 48, 64, 3)


def test_every_estimator_is_timed_beside_onnxruntime(bundle: Path) -> None:
    costs = measure_time(bundle, images=2, rounds=2)
    assert [cost.ranges for cost in costs] == list(ESTIMATORS)
    for cost in costs:
        assert (cost.images, cost.rounds) == (2, 2)
        assert cost.ours_s > 0 and cost.onnxruntime_s > 0 and cost.ratio > 0


def test_memory_is_that_of_a_process_of_its_own(bundle: Path) -> None:
    cost = measure_memory(bundle, "mse", few=1, many=3)
    assert (cost.few, cost.many) == (1, 3)
    assert cost.few_mib > 20 and cost.ratio == cost.many_mib / cost.few_mib


def test_a_process_that_fails_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"calibrating with 1 images failed: .*is not a bundle"):
        measure_memory(tmp_path, "mse", few=1, many=2)
