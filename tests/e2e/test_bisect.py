"""A rung that fails is searched for its first bad layer, and the layer is cut out."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import torch
from onnx import numpy_helper

from hexdet.datasets.scenes import Scenes
from hexdet.errors import NotRunError
from hexdet.export.bisect import BadLayer, Bisection, bisect
from hexdet.export.bisect.replay import replay
from hexdet.export.dlc import write_dlc
from hexdet.export.dlc_file import read_dlc
from hexdet.export.dlc_file.exposing import expose_activations
from hexdet.recipe import load_recipe
from hexdet.runtime.contract import load_contract
from hexdet.runtime.images import to_pixels
from hexdet.runtime.targets import find_target
from hexdet.training.checkpoint import SHIPPED, Checkpoint, load_checkpoint

Run = Callable[..., subprocess.CompletedProcess[str]]


def shipped() -> Checkpoint:
    return load_checkpoint(SHIPPED / "heads.safetensors", load_recipe("heads"))


@pytest.fixture
def copied(heads: Path, tmp_path: Path) -> Path:
    """Return a bundle that a test may spoil."""
    return shutil.copytree(heads, tmp_path / "build" / "heads")


@pytest.fixture(scope="module")
def pixels(heads: Path) -> npt.NDArray[np.uint8]:
    image = Scenes(split="test", count=200, seed=0)[0].image
    return to_pixels(image, load_contract(heads).input)


def search(
    folder: Path,
    pixels: npt.NDArray[np.uint8],
    rung: str,
    reference: str,
    checkpoint: Callable[[], Checkpoint] = shipped,
) -> BadLayer | None:
    return bisect(
        Bisection(folder, load_recipe("heads"), pixels, checkpoint), folder, rung, reference
    )


def change_weight(model: onnx.ModelProto, node: onnx.NodeProto, by: float) -> None:
    """Scale the weights of a convolution, float or quantized."""
    name = node.input[1]
    for maker in model.graph.node:
        if name in maker.output and maker.op_type == "DequantizeLinear":
            name = maker.input[1]  # its scales
    weight = next(i for i in model.graph.initializer if i.name == name)
    values = numpy_helper.to_array(weight) * np.float32(by)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))


def convolution(model: onnx.ModelProto, index: int) -> onnx.NodeProto:
    return [n for n in model.graph.node if n.op_type == "Conv"][index]


def differences(result: dict[str, dict[str, float] | None], key: str) -> dict[str, float]:
    found = result[key]
    assert found is not None
    return found


def test_a_spoilt_int8_graph_is_found_on_the_cpu(hexdet_cli: Run, copied: Path) -> None:
    model = onnx.load(copied / "int8.onnx")
    victim = convolution(model, 20)
    change_weight(model, victim, 4)
    onnx.save(model, copied / "int8.onnx")
    result = hexdet_cli("parity", copied, "--limit", "1", "--bisect", code=3)
    assert "the rung int8.onnx, CPU failed" in result.stderr
    assert f"first bad layer is {victim.name}" in result.stderr
    case = copied / "bisect" / "int8_cpu"
    layer = onnx.load(case / "layer.onnx")
    assert victim.name in [n.name for n in layer.graph.node]
    assert sum(n.op_type in ("Conv", "Add") for n in layer.graph.node) == 1
    assert {p.name for p in case.iterdir()} >= {
        "README.txt", "case.json", "input_0.npy", "reference_input_0.npy", "expected.npy",
        "found.npy",
    }  # fmt: skip
    again = replay(case)
    assert differences(again, "found")["max"] == 0
    assert again["expected"] is None


def test_the_first_layer_of_all_is_cut_out_with_the_image(
    heads: Path, copied: Path, pixels: npt.NDArray[np.uint8]
) -> None:
    model = onnx.load(copied / "int8.onnx")
    victim = next(n for n in model.graph.node if n.op_type == "Conv" and "blocks.0" in n.name)
    change_weight(model, victim, 4)
    onnx.save(model, copied / "int8.onnx")
    found = search(copied, pixels, "int8_cpu", "float")
    assert found is not None and found.node == victim.name and found.layers_before == 0
    case = copied / "bisect" / "int8_cpu"
    np.testing.assert_array_equal(np.load(case / "input_0.npy"), pixels)
    assert differences(replay(case), "found")["max"] == 0


def test_a_spoilt_float_graph_is_found(hexdet_cli: Run, copied: Path) -> None:
    model = onnx.load(copied / "float.onnx")
    victim = convolution(model, 30)
    change_weight(model, victim, 1.1)
    onnx.save(model, copied / "float.onnx")
    result = hexdet_cli("parity", copied, "--limit", "1", "--bisect", code=3)
    assert "the rung float.onnx, CPU failed" in result.stderr
    assert f"first bad layer is {victim.name}" in result.stderr
    case = copied / "bisect" / "float"
    assert len(onnx.load(case / "reference.onnx").graph.node) <= 3
    again = replay(case)
    assert differences(again, "found")["max"] == differences(again, "expected")["max"] == 0
    # The layer alone, on the same input, shows the difference: nothing before it is needed.
    assert differences(again, "alone")["max"] > 0.01


def test_an_export_that_is_not_its_network_is_found(
    copied: Path, pixels: npt.NDArray[np.uint8]
) -> None:
    def broken() -> Checkpoint:
        checkpoint = shipped()

        def only_in_pytorch(module: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
            return output if torch.onnx.is_in_onnx_export() else output * 1.01

        norms = [m for m in checkpoint.network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        norms[10].register_forward_hook(only_in_pytorch)
        return checkpoint

    assert search(copied, pixels, "exported", "torch") is None
    found = search(copied, pixels, "exported", "torch", broken)
    assert found is not None and found.layers_before == 10 and found.node.endswith("/Conv")
    assert (copied / "bisect" / "exported" / "layer.onnx").is_file()


def test_a_dlc_of_another_graph_is_found(hexdet_cli: Run, copied: Path) -> None:
    model = onnx.load(copied / "int8.onnx")
    victim = convolution(model, 25)
    change_weight(model, victim, 1.5)
    onnx.save(model, copied / "changed.onnx")
    write_dlc(copied / "changed.onnx", copied / "int8.dlc", 120)
    result = hexdet_cli("parity", copied, "--limit", "1", "--bisect", code=3)
    assert "the rung int8.dlc" in result.stderr
    assert f"first bad layer is {victim.name}" in result.stderr
    again = replay(copied / "bisect" / "int8_dlc")
    assert again["found"] is None  # the file itself made it; the case has the graph it should be
    assert differences(again, "expected")["max"] == 0
    assert differences(again, "alone")["max"] > 0


def test_a_stale_context_binary_is_told_from_a_bad_layer(hexdet_cli: Run, copied: Path) -> None:
    hexdet_cli("dlc", copied, "--target", "SM8550")
    model = onnx.load(copied / "int8.onnx")
    change_weight(model, convolution(model, 25), 1.5)
    other = copied / "other"
    other.mkdir()
    shutil.copytree(copied, other / "heads", ignore=lambda *_: ["other"])
    onnx.save(model, other / "heads" / "int8.onnx")
    hexdet_cli("dlc", other / "heads", "--target", "SM8550", code=3)  # the audit objects
    for suffix in ("bin", "onnx"):
        shutil.copy(other / "heads" / f"SM8550.{suffix}", copied / f"SM8550.{suffix}")
    result = hexdet_cli("parity", copied, "--limit", "1", "--bisect", code=3)
    assert "the rung SM8550.bin" in result.stderr
    assert "write it again with" in result.stderr


@pytest.mark.parametrize("rung", ["int8_cpu", "int8_htp", "int8_dlc", "QCS6490", "float"])
def test_nothing_is_found_in_a_good_bundle(
    heads: Path, pixels: npt.NDArray[np.uint8], rung: str
) -> None:
    reference = {"int8_cpu": "float", "int8_htp": "int8_cpu", "float": "exported"}
    assert search(heads, pixels, rung, reference.get(rung, "int8_htp")) is None


@pytest.mark.parametrize("chip", ["QCS6490", "SM8550"])
def test_each_layer_alone_is_within_a_code_of_the_cpu(
    heads: Path, pixels: npt.NDArray[np.uint8], chip: str
) -> None:
    """What adds up to 20 codes over the network is one rounding a layer."""
    recipe = load_recipe("heads")
    arch = find_target(chip).arch
    recipe = recipe.model_copy(
        update={"export": recipe.export.model_copy(update={"target_arch": arch})}
    )
    sides = Bisection(heads, recipe, pixels, shipped).sides("int8_htp", "int8_cpu")
    apart = [
        np.abs(sides.found[name].astype(int) - sides.expected[name]).max() for name in sides.found
    ]
    assert len(apart) == 81 and max(apart) == 1


def test_every_activation_of_the_shipped_dlc_equals_the_session(
    heads: Path, pixels: npt.NDArray[np.uint8]
) -> None:
    sides = Bisection(heads, load_recipe("heads"), pixels, shipped).sides("int8_dlc", "int8_htp")
    common = sides.found.keys() & sides.expected.keys()
    assert len(common) == 81
    for name in common:
        np.testing.assert_array_equal(sides.found[name], sides.expected[name], err_msg=name)


def test_an_exposed_dlc_differs_in_nothing_but_the_place_of_its_tensors(
    heads: Path, tmp_path: Path
) -> None:
    shapes = expose_activations(heads / "int8.dlc", tmp_path / "exposed.dlc")
    before = read_dlc(heads / "int8.dlc").model
    after = read_dlc(tmp_path / "exposed.dlc").model
    assert {n for n, t in after.tensors.items() if t.kind == "output"} == shapes.keys()
    assert [n.name for n in after.nodes] == [n.name for n in before.nodes]
    assert (heads / "int8.dlc").stat().st_size == (tmp_path / "exposed.dlc").stat().st_size


def test_without_its_checkpoint_a_float_rung_cannot_be_searched(
    heads: Path, pixels: npt.NDArray[np.uint8]
) -> None:
    def lost() -> Checkpoint:
        raise NotRunError("no checkpoint")

    with pytest.raises(NotRunError):
        search(heads, pixels, "float", "exported", lost)


def test_the_case_names_its_layer(copied: Path, pixels: npt.NDArray[np.uint8]) -> None:
    model = onnx.load(copied / "int8.onnx")
    victim = convolution(model, 12)
    change_weight(model, victim, 4)
    onnx.save(model, copied / "int8.onnx")
    found = search(copied, pixels, "int8_cpu", "float")
    assert found is not None
    content = json.loads((copied / "bisect" / "int8_cpu" / "case.json").read_text())
    assert content["node"] == found.node == victim.name
    assert content["engine"]["provider"] == "cpu"
