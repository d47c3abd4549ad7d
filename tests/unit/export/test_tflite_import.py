"""The importer of TensorFlow Lite SSDs against the shared model and its dequantized weights."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import hexdet
from hexdet.errors import ArtifactError, RecipeError
from hexdet.export.foreign import foreign_sources, load_foreign
from hexdet.export.tflite_ssd.building import import_tflite_ssd
from hexdet.export.tflite_ssd.reader import TfliteGraph, read_tflite
from hexdet.export.tflite_ssd.structure import SsdStructure, structure_of
from hexdet.quantization.cpu_session import cpu_session
from hexdet.quantization.ranges.trained import read_trained_ranges, trained_ranges
from hexdet.recipe import load_recipe
from hexdet.runtime.anchors import all_anchors
from hexdet.runtime.contract import DetectorContract
from hexdet.training.contract import contract_of

MODEL = Path(os.environ.get("HEXDET_DATA") or "data").parent / "models" / "ssd_mobilenet_v1_coco"
FILE = MODEL / "detect.tflite"
CONTRACT = Path(hexdet.__file__).parent / "export/contracts/coco_ssd_mobilenet_v1.yaml"
OPSET = 17
needs_model = pytest.mark.skipif(
    not FILE.is_file(), reason=f"no person detector at {MODEL}: set HEXDET_DATA"
)


def contract(*overrides: str) -> DetectorContract:
    return contract_of(load_recipe(str(CONTRACT), ["network.name=detect", *overrides]))


@pytest.fixture(scope="module")
def graph() -> TfliteGraph:
    return read_tflite(FILE)


@pytest.fixture(scope="module")
def structure(graph: TfliteGraph) -> SsdStructure:
    return structure_of(graph, FILE)


@needs_model
def test_weights_are_the_dequantized_ones(structure: SsdStructure) -> None:
    weights = np.load(MODEL / "detect.npz")
    checked = 0
    for number, operator in enumerate(structure.graph.operators):
        if operator not in structure.body:
            continue
        ours, bias = (structure.graph.tensors[i].values for i in operator.inputs[1:])
        assert ours is not None and bias is not None
        axes = (3, 0, 1, 2) if operator.kind == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
        np.testing.assert_allclose(
            ours.transpose(axes), weights[f"{number:03}.weight"], rtol=0, atol=1e-6
        )
        np.testing.assert_allclose(bias, weights[f"{number:03}.bias"], rtol=1e-6, atol=1e-6)
        checked += 2
    assert checked == len(weights.files) == 94


@needs_model
def test_operators_are_the_described_ones(graph: TfliteGraph) -> None:
    described = json.loads((MODEL / "detect.json").read_text())["ops"]
    assert len(described) == len(graph.operators)
    for ours, theirs in zip(graph.operators, described, strict=True):
        assert list(ours.inputs) == theirs["ins"]
        assert list(ours.outputs) == theirs["outs"]
        if theirs["op"].endswith("CONV_2D"):
            assert (ours.kind, ours.padding) == (theirs["op"], theirs["padding"])
            assert list(ours.stride) == theirs["stride"]
            assert ours.activation == (theirs["act"] or "none").upper()


@needs_model
def test_anchors_of_the_file(structure: SsdStructure) -> None:
    stored = np.load(MODEL / "detect_anchors_cycxhw.npy")
    np.testing.assert_allclose(structure.anchors, stored, rtol=0, atol=1e-5)
    # The contract's lie at the cells' centres and are what 8-bit codes rounded to the stored ones.
    ours = all_anchors(contract())[:, [1, 0, 3, 2]] / 300
    codes = np.clip(np.round(ours / structure.anchor_step), 0, 255) * structure.anchor_step
    # Half-way between two codes either is right.
    halves = np.abs(np.abs(ours - stored) - structure.anchor_step / 2) < 1e-5
    np.testing.assert_allclose(codes[~halves], stored[~halves], rtol=0, atol=1e-5)
    assert halves.mean() < 0.05


@needs_model
def test_heads_are_cut_and_reordered(structure: SsdStructure) -> None:
    model = import_tflite_ssd(FILE, contract(), OPSET)
    onnx.checker.check_model(model, full_check=True)
    values = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    weights = np.load(MODEL / "detect.npz")
    boxes, scores = values["raw_boxes_32.weight"], values["raw_scores_32.weight"]
    theirs = weights["039.weight"].reshape(6, 4, 768, 1, 1)
    for ours, column in enumerate((1, 0, 3, 2)):  # (x, y, w, h) out of (y, x, h, w)
        np.testing.assert_allclose(boxes.reshape(6, 4, 768, 1, 1)[:, ours], theirs[:, column])
    persons = weights["041.weight"].reshape(6, 91, 768, 1, 1)[:, 1]
    np.testing.assert_allclose(scores, persons)
    bias = weights["041.bias"].reshape(6, 91)[:, 1]
    np.testing.assert_allclose(values["raw_scores_32.bias"], bias, rtol=1e-6)


@needs_model
def test_fewer_classes_leave_the_others_as_they_were() -> None:
    one = import_tflite_ssd(FILE, contract(), OPSET)
    two = import_tflite_ssd(FILE, contract("data.classes=[dog, person]"), OPSET)
    image = np.random.default_rng(0).uniform(-1, 1, (1, 3, 300, 300)).astype(np.float32)
    alone = cpu_session(one).run(["raw_scores_64", "raw_boxes_64"], {"image": image})
    both = cpu_session(two).run(["raw_scores_64", "raw_boxes_64"], {"image": image})
    # [1, anchors * 2, 5, 5]: the second of each anchor's two is the person.
    np.testing.assert_allclose(both[0][:, 1::2], alone[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(both[1], alone[1], rtol=0, atol=1e-5)


@needs_model
def test_relu6_is_cut_by_codes_or_said() -> None:
    model = import_tflite_ssd(FILE, contract(), OPSET)
    values = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    clips = [n for n in model.graph.node if n.op_type == "Clip"]
    assert len(clips) == 35
    assert {(float(values[n.input[1]]), float(values[n.input[2]])) for n in clips} == {(0.0, 6.0)}


@needs_model
def test_the_cut_graph_keeps_the_trained_ranges() -> None:
    model, cut = load_foreign(FILE, contract(), OPSET)
    ranges = trained_ranges(model)
    described = json.loads((MODEL / "detect.json").read_text())["ops"]
    scale, zero = next(
        (o["out_scale"], o["out_zp"]) for o in described if "_1/ClassPred" in o["out_name"]
    )
    found = ranges["raw_scores_32"]
    assert (found.low, found.high) == pytest.approx((-zero * scale, (255 - zero) * scale))
    assert len(ranges) == 47
    assert all(r.low <= 0 <= r.high for r in ranges.values())
    assert sorted(cut.heads.values()) == sorted(contract().output_shapes())
    assert read_trained_ranges(onnx.ModelProto()) == {}
    with pytest.raises(RecipeError, match="brings no trained ranges"):
        trained_ranges(onnx.ModelProto())


REFUSED = [
    ("network.width=320", "height and width"),
    ("network.mean=127", "network.mean"),
    ("network.std=127.5", "network.std"),
    ("network.activation=softmax", "network.activation"),
    ("network.variances=[0.1, 0.1]", "network.variances"),
    ("network.strides=[16, 32, 64, 100, 128, 512]", "cells and anchors"),
    ("data.classes=[persn]", "did you mean 'person'"),
]


@needs_model
@pytest.mark.parametrize(("override", "word"), REFUSED)
def test_a_contract_that_does_not_fit_is_refused(override: str, word: str) -> None:
    with pytest.raises(ArtifactError, match=word):
        import_tflite_ssd(FILE, contract(override), OPSET)


@needs_model
def test_a_wrong_anchor_is_named() -> None:
    recipe = load_recipe(str(CONTRACT), ["network.name=detect"])
    sizes = [list(map(list, level)) for level in recipe.network.anchors]
    sizes[2][3][0] += 5
    with pytest.raises(ArtifactError, match="level of stride 64, number 3"):
        import_tflite_ssd(FILE, contract(f"network.anchors={sizes}"), OPSET)


@needs_model
def test_the_class_names_belong_to_the_file(tmp_path: Path) -> None:
    copied = Path(shutil.copyfile(FILE, tmp_path / "x.tflite"))
    assert foreign_sources(copied).keys() == {"tflite"}
    with pytest.raises(ArtifactError, match=r"labelmap\.txt cannot be read"):
        import_tflite_ssd(copied, contract(), OPSET)
    (tmp_path / "labelmap.txt").write_text("person\ndog\n")
    with pytest.raises(ArtifactError, match="names 2 classes"):
        import_tflite_ssd(copied, contract(), OPSET)
    # Without the line of the background the classes are the same.
    names = (MODEL / "labelmap.txt").read_text().splitlines()
    (tmp_path / "labelmap.txt").write_text("\n".join(names[1:]))
    assert foreign_sources(copied).keys() == {"tflite", "labelmap.txt"}
    ours = import_tflite_ssd(copied, contract(), OPSET)
    assert ours.graph == import_tflite_ssd(FILE, contract(), OPSET).graph


@needs_model
@pytest.mark.parametrize("kept", [0, 4, 8, 100, 5_000, 50_000, 2_000_000])
def test_a_truncated_file_is_an_error(tmp_path: Path, kept: int) -> None:
    (tmp_path / "x.tflite").write_bytes(FILE.read_bytes()[:kept])
    with pytest.raises(ArtifactError, match=r"damaged|no TensorFlow Lite"):
        import_tflite_ssd(tmp_path / "x.tflite", contract(), OPSET)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot read"):
        read_tflite(tmp_path / "none.tflite")
