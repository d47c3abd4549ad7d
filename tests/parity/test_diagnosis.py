"""The per-layer diagnosis: a layer that is spoilt on purpose is the one that it blames."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hexdet.errors import ArtifactError
from hexdet.quantization import layers
from hexdet.quantization.advice import advise, worst_layers
from hexdet.quantization.diagnosis import NO_NOISE_DB, LayerError, diagnose, diagnose_bundle
from hexdet.recipe import QuantizationSection, load_recipe
from hexdet.runtime.contract import InputSpec

IMAGES = 2
LAYERS = 81


@pytest.fixture(scope="module")
def good(heads: Path) -> list[LayerError]:
    return diagnose_bundle(heads, load_recipe("heads"), False, IMAGES)


def spoil(
    heads: Path, folder: Path, edit: Callable[[onnx.ModelProto], str]
) -> tuple[str, list[LayerError]]:
    """Edit the integer graph of a copy; return the edited node's name and the diagnosis."""
    copied = shutil.copytree(heads, folder / "heads")
    model = onnx.load(copied / "int8.onnx")
    name = edit(model)
    onnx.save(model, copied / "int8.onnx")
    return name, diagnose_bundle(copied, load_recipe("heads"), False, IMAGES)


def scale_by(model: onnx.ModelProto, name: str, factor: float) -> None:
    found = next(i for i in model.graph.initializer if i.name == name)
    values = numpy_helper.to_array(found) * np.float32(factor)
    found.CopyFrom(numpy_helper.from_array(values, name))


def test_every_layer_is_measured(good: list[LayerError]) -> None:
    assert len(good) == LAYERS
    for layer in good:
        assert 20 < layer.sqnr_alone_db <= NO_NOISE_DB
        assert layer.weight_share + layer.activation_share == pytest.approx(1)
        assert 0 <= layer.saturated < 0.05
        assert layer.bits == 8
    assert sum(layer.is_output for layer in good) == 8
    assert {layer.operator for layer in good} == {"Conv", "Add"}
    # What accumulates is never better than what the worst layer before it allows.
    assert np.mean([v.sqnr_db for v in good]) < np.mean([v.sqnr_alone_db for v in good])


def test_the_htp_alone_is_as_good_as_the_cpu_alone(
    heads: Path, good: list[LayerError], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    process = layers.EmulatorProcess

    def open_one(path: Path, *rest: Any) -> Any:
        opened.append(path)
        return process(path, *rest)

    monkeypatch.setattr(layers, "EmulatorProcess", open_one)
    on_htp = diagnose_bundle(heads, load_recipe("heads"), True, IMAGES)
    assert len(opened) == 1  # compiled once for all images
    for cpu, htp in zip(good, on_htp, strict=True):
        assert htp.sqnr_alone_db == pytest.approx(cpu.sqnr_alone_db, abs=2.5), cpu.node


def test_spoilt_weights_are_blamed_on_the_weights(heads: Path, tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> str:
        node = [n for n in model.graph.node if n.op_type == "Conv"][20]
        maker = next(n for n in model.graph.node if n.output[0] == node.input[1])
        scale_by(model, maker.input[1], 1.5)
        return str(node.name)

    name, layers = spoil(heads, tmp_path, edit)
    (worst,) = worst_layers(layers, 1)
    assert worst.node == name
    assert worst.weight_share > 0.95
    assert "weights" in advise(worst, QuantizationSection())


def test_a_narrow_range_is_called_saturated(heads: Path, tmp_path: Path) -> None:
    def edit(model: onnx.ModelProto) -> str:
        quantizers = [n for n in model.graph.node if n.op_type == "QuantizeLinear"]
        node = next(n for n in quantizers if "blocks.8/Add" in n.output[0])
        scale_by(model, node.input[1], 0.2)
        return str(node.input[0])

    name, layers = spoil(heads, tmp_path, edit)
    (worst,) = worst_layers(layers, 1)
    assert worst.tensor in name
    assert worst.saturated > 0.001
    assert worst.activation_share > 0.95
    assert "beyond its range" in advise(worst, QuantizationSection())
    assert "minmax" in advise(worst, QuantizationSection(ranges="mse"))


def test_graphs_of_different_networks_are_refused(heads: Path) -> None:
    model = onnx.load(heads / "int8.onnx")
    other = onnx.ModelProto()
    other.CopyFrom(onnx.load(heads / "float.onnx"))
    del other.graph.node[:]
    with pytest.raises(ArtifactError, match="no layer"):
        diagnose(model, other, [], InputSpec(width=300, height=300), lambda pixels: {})


PLAIN: dict[str, object] = {
    "tensor": "t", "node": "n", "operator": "Conv", "bits": 8, "is_output": False,
    "sqnr_db": 20.0, "sqnr_alone_db": 25.0, "weight_share": 0.1, "activation_share": 0.9,
    "saturated": 0.0,
}  # fmt: skip
ADVICE = [
    ({"sqnr_alone_db": 50.0, "sqnr_db": 48.0}, {}, "good"),
    ({"sqnr_alone_db": 50.0, "sqnr_db": 20.0}, {}, "layers before it"),
    ({"weight_share": 0.9, "activation_share": 0.1}, {"weights": "per_tensor"}, "per_channel"),
    ({"weight_share": 0.9, "activation_share": 0.1}, {"weights": "per_tensor"}, "equalise"),
    ({"weight_share": 0.9, "activation_share": 0.1}, {}, "adaround"),
    ({"weight_share": 0.9, "activation_share": 0.1}, {"rounding": "adaround"}, "nothing dearer"),
    ({"operator": "Add"}, {}, "two ranges"),
    ({}, {"ranges": "mse"}, "quantization.wide"),
    ({"bits": 16}, {}, "16 bits already"),
    ({"is_output": True}, {"ranges": "mse"}, "always have 8 bits"),
]


def test_what_was_done_is_not_advised_again() -> None:
    layer = LayerError(**{**PLAIN, "weight_share": 0.9, "activation_share": 0.1})  # type: ignore[arg-type]
    section = QuantizationSection(weights="per_tensor", equalise=True)
    assert advise(layer, section) == "its weights lose most: quantization.weights=per_channel"


@pytest.mark.parametrize(("changes", "section", "word"), ADVICE)
def test_the_advice_fits_the_cause(
    changes: dict[str, object], section: dict[str, object], word: str
) -> None:
    layer = LayerError(**{**PLAIN, **changes})  # type: ignore[arg-type]
    assert word in advise(layer, QuantizationSection(**section))  # type: ignore[arg-type]
