"""An equalised bundle: what reads its integer graph holds it against the equalised float graph."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest

from hexdet.quantization.quantize import EQUALISED, base_path

Run = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("aimet_onnx") is None,
        reason="no AIMET: pip install 'hexdet[aimet]'",
    ),
]
EQUALISE = ("--set", "quantization.equalise=true", "--set", "quantization.weights=per_tensor")


@pytest.fixture(scope="module")
def equalised(hexdet_cli: Run, heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(heads, tmp_path_factory.mktemp("build") / "heads")
    result = hexdet_cli("quantize", folder, *EQUALISE)
    assert "other float graph" in result.stderr + result.stdout
    return folder


def weights(path: Path) -> dict[str, bytes]:
    return {i.name: i.SerializeToString() for i in onnx.load(path).graph.initializer}


def test_the_equalised_graph_is_part_of_the_bundle(equalised: Path) -> None:
    manifest = json.loads((equalised / "manifest.json").read_text(encoding="utf-8"))
    assert EQUALISED in manifest["files"]
    assert base_path(equalised) == equalised / EQUALISED
    ours, theirs = weights(equalised / EQUALISED), weights(equalised / "float.onnx")
    assert ours.keys() == theirs.keys() and ours != theirs


def test_every_layer_is_measured_against_it(hexdet_cli: Run, equalised: Path) -> None:
    """Held against float.onnx, equalised layers differ by their factors, not by noise."""
    asked = ("diagnose", equalised, "--limit", "1", "--json")
    layers = json.loads(hexdet_cli(*asked).stdout)["layers"]
    assert len(layers) == 81
    assert min(layer["sqnr_alone_db"] for layer in layers) > 15
    assert not any("equalise" in layer["advice"] for layer in layers)


def test_every_rung_holds_and_a_spoilt_one_is_searched(
    hexdet_cli: Run, equalised: Path, tmp_path: Path
) -> None:
    hexdet_cli("parity", equalised, "--limit", "1")
    spoilt = shutil.copytree(equalised, tmp_path / "heads")
    model = onnx.load(spoilt / "int8.onnx")
    victim = [n for n in model.graph.node if n.op_type == "Conv"][20]
    maker = next(n for n in model.graph.node if n.output[0] == victim.input[1])
    scale = next(i for i in model.graph.initializer if i.name == maker.input[1])
    values = onnx.numpy_helper.to_array(scale) * 4
    scale.CopyFrom(onnx.numpy_helper.from_array(values.astype("float32"), scale.name))
    onnx.save(model, spoilt / "int8.onnx")
    result = hexdet_cli("parity", spoilt, "--limit", "1", "--bisect", code=3)
    assert f"first bad layer is {victim.name}" in result.stderr


def test_without_equalisation_it_goes(hexdet_cli: Run, equalised: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(equalised, tmp_path / "heads")
    result = hexdet_cli("quantize", folder, "--set", "quantization.equalise=false")
    assert "other float graph" not in result.stderr + result.stdout
    assert not (folder / EQUALISED).exists()
    assert base_path(folder) == folder / "float.onnx"
