"""The two measurements run and report what they measured; how fast this machine is, is no test."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from hexdet.benchmarks import detector_call, preprocess
from hexdet.runtime.contract import InputSpec


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_preprocessing_is_measured(fit: str) -> None:
    spec = InputSpec(width=64, height=32, fit=fit)  # type: ignore[arg-type]
    before = cv2.getNumThreads()
    cost = preprocess.measure(image=(160, 120), spec=spec, rounds=3)
    assert cv2.getNumThreads() == before
    assert (cost.image, cost.input, cost.fit, cost.rounds) == ((160, 120), (64, 32), fit, 3)
    for value in (cost.preprocess_ms, cost.bare_ms, cost.ratio):
        assert value > 0 and math.isfinite(value)


@pytest.mark.parametrize(("ratio", "word"), [(1.15, "within"), (1.16, "over")])
def test_the_preprocessing_verdict(ratio: float, word: str) -> None:
    cost = preprocess.measure(image=(16, 12), rounds=1)
    text = preprocess.describe(replace(cost, ratio=ratio))
    assert f"ratio {ratio:.3f}, {word} the allowed 1.15" in text
    assert "16x12 to 300x300, stretch" in text


@pytest.fixture
def cost(make_bundle: Callable[..., Path]) -> detector_call.CallCost:
    return detector_call.measure(make_bundle(), size=(320, 240), score=0.0, rounds=2)


def test_a_call_is_measured(cost: detector_call.CallCost) -> None:
    assert (cost.backend, cost.image) == ("int8 on onnxruntime CPU", (320, 240))
    for value in (cost.prepare_ms, cost.infer_ms, cost.finish_ms, cost.call_ms, cost.overhead):
        assert value > 0 and math.isfinite(value)
    assert cost.detections > 0


@pytest.mark.parametrize(("overhead", "word"), [(0.05, "within"), (0.051, "over")])
def test_the_verdict_on_a_call(cost: detector_call.CallCost, overhead: float, word: str) -> None:
    text = detector_call.describe(replace(cost, overhead=overhead))
    assert f"beyond the network {overhead:.2%}, {word} the allowed 5%" in text
