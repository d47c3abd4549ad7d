"""The ladder's host rungs on the shipped network: each step may only differ by what it must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from hexdet.datasets.scenes import Scenes
from hexdet.evaluation.average_precision import score_detections
from hexdet.evaluation.graph_cost import graph_cost
from hexdet.export.onnx_graph import export_float, float_difference
from hexdet.export.tolerances import EMULATOR, FLOAT_GRAPH, NOISE_FLOOR, QUANTIZED
from hexdet.recipe import load_recipe
from hexdet.runtime.backend import CpuBackend
from hexdet.runtime.boxes import iou
from hexdet.runtime.contract import load_contract
from hexdet.runtime.detections import Detections
from hexdet.runtime.detector import Detector
from hexdet.runtime.htp import HtpBackend
from hexdet.runtime.images import normalise, to_pixels
from hexdet.training.backend import TorchBackend
from hexdet.training.checkpoint import SHIPPED, Checkpoint, load_checkpoint
from hexdet.training.contract import contract_of

IMAGES = 4
CONFIDENT = 0.5


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return Scenes(split="test", count=200, seed=0)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load_checkpoint(SHIPPED / "heads.safetensors", load_recipe("heads"))


@pytest.fixture(scope="module")
def pixels(scenes: Scenes, heads: Path) -> npt.NDArray[np.uint8]:
    spec = load_contract(heads).input
    return np.concatenate([to_pixels(scenes[i].image, spec) for i in range(IMAGES)])


def test_torch_and_both_onnx_graphs_agree(
    checkpoint: Checkpoint, pixels: npt.NDArray[np.uint8]
) -> None:
    contract = contract_of(checkpoint.recipe)
    graphs = export_float(checkpoint.network, contract, checkpoint.recipe.export.opset)
    images = normalise(pixels, contract.input)
    names = list(contract.output_shapes())
    for model in (graphs.exported, graphs.simplified):
        found = float_difference(checkpoint.network, model, images, names)
        assert found.relative <= FLOAT_GRAPH.relative
        assert graph_cost(graphs.simplified).parameters == 2_750_864


def test_a_changed_weight_is_seen_by_the_float_comparison(
    checkpoint: Checkpoint, heads: Path, pixels: npt.NDArray[np.uint8]
) -> None:
    contract = load_contract(heads)
    model = onnx.load(heads / "float.onnx")
    weight = next(i for i in model.graph.initializer if len(i.dims) == 4)
    values = onnx.numpy_helper.to_array(weight).copy()
    values[0] *= 1.05
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    images = normalise(pixels[:1], contract.input)
    found = float_difference(checkpoint.network, model, images, list(contract.output_shapes()))
    assert found.relative > FLOAT_GRAPH.relative


def test_the_emulator_is_as_near_to_float_as_the_cpu_is(
    heads: Path, pixels: npt.NDArray[np.uint8]
) -> None:
    contract = load_contract(heads)
    distance: dict[tuple[str, str], list[float]] = {}
    with (
        CpuBackend(heads, contract, "float") as reference,
        CpuBackend(heads, contract, "int8") as cpu,
        HtpBackend(heads, contract, arch=73) as htp,
    ):
        for image in pixels:
            expected = reference.run_float(image[None])
            for key, backend in (("cpu", cpu), ("htp", htp)):
                raw = backend.run(image[None])
                for name, real in expected.items():
                    assert raw[name].dtype == np.uint8
                    encoding = contract.encodings[name]
                    apart = np.abs(encoding.dequantize(raw[name]) - real) / encoding.scale
                    distance.setdefault((key, name), []).append(float(apart.mean()))
    for name in contract.output_shapes():
        ours, theirs = np.mean(distance["htp", name]), np.mean(distance["cpu", name])
        assert ours <= EMULATOR.mean_noise * theirs + NOISE_FLOOR, name
        assert theirs <= QUANTIZED.mean_codes, name


def test_what_float_is_sure_of_int8_finds_too(heads: Path, scenes: Scenes) -> None:
    matched = total = 0
    with (
        Detector.load(heads, backend="cpu", precision="float") as reference,
        Detector.load(heads, backend="cpu", precision="int8") as integer,
    ):
        for index in range(12):
            image = scenes[index].image
            hits, count = _matched(reference(image, score=CONFIDENT), integer(image, score=0.1))
            matched += hits
            total += count
    assert total >= 30
    assert matched / total >= 0.97


def test_torch_and_the_float_graph_detect_the_same(
    checkpoint: Checkpoint, heads: Path, scenes: Scenes
) -> None:
    contract = load_contract(heads)
    truths, first, second = [], [], []
    with (
        Detector(contract, TorchBackend(checkpoint.network, contract)) as torch_detector,
        Detector.load(heads, backend="cpu", precision="float") as onnx_detector,
    ):
        for index in range(6):
            record = scenes[index]
            truths.append(record.annotation)
            first.append(torch_detector(record.image, score=0.05))
            second.append(onnx_detector(record.image, score=0.05))
    for a, b in zip(first, second, strict=True):
        assert len(a) == len(b)
        np.testing.assert_allclose(a.boxes, b.boxes, atol=0.05)
    scores = [score_detections(truths, found, ("head",)).ap50 for found in (first, second)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def _matched(reference: Detections, found: Detections) -> tuple[int, int]:
    if len(reference) == 0 or len(found) == 0:
        return 0, len(reference)
    overlap = iou(reference.boxes, found.boxes)
    overlap *= reference.labels[:, None] == found.labels[None, :]
    return int((overlap.max(axis=1) >= 0.5).sum()), len(reference)
