"""The benchmark of the post-processing runs, and its cases are what they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from hexdet.benchmarks.machine import this_machine
from hexdet.benchmarks.postprocess import (
    OPENCV_ALL,
    ROUTES,
    PostprocessCost,
    measure,
    opencv_postprocess,
)
from hexdet.benchmarks.postprocess_cases import Case, on_ssd512, record
from hexdet.datasets.scenes import Scenes
from hexdet.runtime.anchors import all_anchors
from hexdet.runtime.contract import Thresholds
from hexdet.runtime.plain_postprocess import plain_postprocess


def silent(done: int, total: int) -> None:
    """Show no progress."""


@pytest.fixture
def recorded(make_bundle: Callable[..., Path]) -> Case:
    return record(make_bundle(), Scenes(split="test", count=3, seed=0), images=2, progress=silent)


@pytest.fixture
def costs(make_bundle: Callable[..., Path]) -> list[PostprocessCost]:
    dataset = Scenes(split="test", count=3, seed=0)
    return measure(make_bundle(), dataset, images=1, repeat=1, counts=(2, 5))


def test_every_route_is_measured_and_nothing_differs(costs: list[PostprocessCost]) -> None:
    before = cv2.getNumThreads()
    assert [(c.name, c.synthetic, c.anchors, c.classes, c.wanted) for c in costs] == [
        ("tiny", False, 6, 2, 2),
        ("tiny", False, 6, 2, 5),
        ("ssd512", True, 24564, 2, 2),
        ("ssd512", True, 24564, 2, 5),
        ("ssd512", True, 24564, 21, 5),
    ]
    for cost in costs:
        assert list(cost.routes) == [n for n in ROUTES if cost.classes == 2 or n != OPENCV_ALL]
        for timing in cost.routes.values():
            assert 0 < timing.p50_ms <= timing.p99_ms
            assert timing.first_ms > 0
        assert cost.wanted <= cost.candidates[0] <= cost.candidates[1]
        assert (cost.mismatches, cost.largest_difference) == (0, 0)
        assert cost.compared >= 2
        assert cost.speedup > 0 and math.isfinite(cost.speedup)
    assert cv2.getNumThreads() == before


def test_outputs_are_recorded_of_the_first_images(recorded: Case) -> None:
    assert (recorded.name, recorded.synthetic, len(recorded.samples)) == ("tiny", False, 2)
    shapes = recorded.contract.output_shapes()
    for sample in recorded.samples:
        assert {n: v.shape for n, v in sample.outputs.items()} == shapes
        assert {v.dtype for v in sample.outputs.values()} == {np.dtype(np.uint8)}


def test_the_grid_is_that_of_ssd512(recorded: Case) -> None:
    case = on_ssd512(recorded, 3, images=1)
    contract = case.contract
    assert case.synthetic and len(case.samples) == 1
    assert contract.anchor_count == 24564 and contract.scores_per_anchor == 4
    outputs = case.samples[0].outputs
    assert {n: v.shape for n, v in outputs.items()} == contract.output_shapes()
    assert set(contract.encodings) == set(outputs)
    sizes = np.asarray(contract.levels[1].anchors)
    np.testing.assert_allclose(sizes[0], 76.8)
    np.testing.assert_allclose(sizes[1], math.sqrt(76.8 * 153.6))
    np.testing.assert_allclose(sizes[:, 0] / sizes[:, 1], [1, 1, 2, 1 / 2, 3, 1 / 3])
    # The first cell holds the codes of the source's first cell; the classes come again, shifted.
    source = recorded.samples[0].outputs["scores_16"]
    np.testing.assert_array_equal(outputs["scores_8"][0, 0, 0, :2], source[0, 0, 0])
    shift = 64 // 5
    again = outputs["scores_8"].reshape(64, 64, 4, 4)
    np.testing.assert_array_equal(again[:, shift:, :, 2], again[:, :-shift, :, 1])


@pytest.mark.parametrize("classes", [1, 3])
def test_the_way_through_opencv_finds_the_same(recorded: Case, classes: int) -> None:
    case = on_ssd512(recorded, classes, images=1)
    contract, sample = case.contract, case.samples[0]
    thresholds = Thresholds(score=0.3, nms_iou=0.45, max_detections=1000)
    anchors = all_anchors(contract)
    found = opencv_postprocess(sample.outputs, sample.placement, contract, thresholds, anchors)
    expected = plain_postprocess(
        sample.outputs, contract.encodings, sample.placement, contract, thresholds
    )
    assert len(expected) > 0
    results = [found]
    if classes == 1:
        results.append(
            opencv_postprocess(
                sample.outputs,
                sample.placement,
                contract,
                thresholds,
                anchors,
                candidates_only=False,
            )
        )
    for result in results:
        # Its ties are its own; the best is not in doubt.
        assert result.scores[0] == expected.scores[0]
        assert abs(len(result) - len(expected)) <= max(2, len(expected) // 20)


def test_the_machine_is_named() -> None:
    machine = this_machine()
    assert machine.cpu and machine.system and machine.cores >= 1
    assert {"hexdet", "python", "numpy", "onnxruntime"} <= set(machine.versions)
