"""What an SDK is given of ours, and how what comes back is held against it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from sdk.tiny import SIDE

from hexdet.calibration_data.images import CalibrationImages
from hexdet.errors import ArtifactError, NotRunError, ParityError, ToolError
from hexdet.export.dlc_file import read_dlc
from hexdet.export.sdk import staging
from hexdet.export.sdk.held import check_held, compare_encodings, encodings_in, output_encodings
from hexdet.export.sdk.overrides import write_overrides
from hexdet.export.sdk.rungs import SdkDlcBackend
from hexdet.export.sdk.staging import layout_of, staging_folder, write_calibration
from hexdet.quantization.encodings import code_tensors
from hexdet.runtime.contract import InputSpec, load_contract
from hexdet.runtime.images import normalise

SPEC = InputSpec(width=SIDE, height=SIDE // 2)


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_bundle, tmp_path / "tiny")


def test_every_name_is_the_graphs_and_biases_are_left_to_the_scales(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    graph, overrides, count = write_overrides(tiny_bundle, tmp_path)
    content = json.loads(overrides.read_text())
    names = {n for node in onnx.load(graph).graph.node for n in (*node.input, *node.output)}
    activations, parameters = content["activation_encodings"], content["param_encodings"]
    assert content["version"] == "0.6.1" and count == len(activations) + len(parameters)
    assert activations.keys() | parameters.keys() <= names
    assert parameters.keys() == {f"{n}.weight" for n in ("stem", "body", "score_head", "box_head")}
    # What a transpose only turns has the same encoding on both sides.
    assert activations["raw_scores"] == activations["scores_8"]
    assert activations["raw_boxes"] == activations["boxes_8"]


def test_the_weights_given_are_those_that_the_codes_stand_for(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    graph, _, _ = write_overrides(tiny_bundle, tmp_path)
    integer = onnx.load(tiny_bundle / "int8.onnx")
    stored = {i.name: numpy_helper.to_array(i) for i in integer.graph.initializer}
    given = {i.name: numpy_helper.to_array(i) for i in onnx.load(graph).graph.initializer}
    codes = code_tensors(integer)
    for name in ("stem.weight", "box_head.weight"):
        scale = codes[name].scale.reshape(-1, 1, 1, 1)
        assert np.array_equal(np.round(given[name] / scale), stored[codes[name].codes])
        assert np.abs(given[name] / scale - np.round(given[name] / scale)).max() < 1e-4


def test_encodings_of_another_graph_are_refused(bundle: Path, tmp_path: Path) -> None:
    path = bundle / "encodings.json"
    content = json.loads(path.read_text())
    content["activation_encodings"]["elsewhere"] = content["activation_encodings"]["image"]
    path.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=r"names 'elsewhere'.*quantize again"):
        write_overrides(bundle, tmp_path)
    path.write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read"):
        write_overrides(bundle, tmp_path)


def test_the_bundles_own_dlc_holds_what_is_ours(tiny_bundle: Path) -> None:
    dlc = read_dlc(tiny_bundle / "int8.dlc")
    held = compare_encodings(tiny_bundle, dlc)
    assert (held.activations, held.weights, held.biases, held.own) == (6, 4, 4, 0)
    assert held.findings == () and held.widest_ratio == pytest.approx(1)
    check_held(held)
    assert output_encodings(dlc) == dict(load_contract(tiny_bundle).encodings)
    assert encodings_in(dlc)["image"] == {"bitwidth": 8, "scale": 1 / 128, "offset": -127}


def test_what_differs_is_named(bundle: Path) -> None:
    model = onnx.load(bundle / "int8.onnx")
    scale = code_tensors(model)["/sum"].scale
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype == np.float32 and values.shape == scale.shape and values == scale:
            constant.CopyFrom(numpy_helper.from_array(values * np.float32(2), constant.name))
    onnx.save(model, bundle / "int8.onnx")
    held = compare_encodings(bundle, read_dlc(bundle / "int8.dlc"))
    assert held.widest == "/sum" and held.widest_ratio == pytest.approx(0.5)
    with pytest.raises(ParityError, match=r"does not hold our encodings .* /sum: scale"):
        check_held(held)


def test_a_float_dlc_holds_nothing_of_ours(tiny_bundle: Path) -> None:
    dlc = read_dlc(tiny_bundle / "float.dlc")
    assert len(compare_encodings(tiny_bundle, dlc).findings) == 14
    with pytest.raises(ParityError, match="leaves its output"):
        output_encodings(dlc)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_raws_are_the_float_graphs_input_in_the_dlcs_layout(tmp_path: Path, layout: str) -> None:
    rng = np.random.default_rng(0)
    images = CalibrationImages("set", SPEC)
    for index in range(2):
        images.add(str(index), rng.integers(0, 256, (1, SPEC.height, SPEC.width, 3)).astype("u1"))
    wanted = normalise(images[1], SPEC)
    if layout == "NHWC":
        wanted = wanted.transpose(0, 2, 3, 1)
    listed = write_calibration(images, wanted.shape, SPEC, tmp_path)
    paths = listed.read_text().splitlines()
    assert len(paths) == 2 and all(Path(path).is_absolute() for path in paths)
    assert np.array_equal(np.fromfile(paths[1], "<f4").reshape(wanted.shape), wanted)


@pytest.mark.parametrize("shape", [(), (1, 3, SIDE, SIDE), (2, 3, SIDE // 2, SIDE), (1, 3, 4)])
def test_another_input_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArtifactError, match="changed it without a word"):
        layout_of(shape, SPEC)


def test_the_folder_has_no_space_and_is_gone_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaced = tmp_path / "a b"
    spaced.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spaced))
    kept = []

    def fail_inside() -> None:
        with staging_folder() as folder:
            kept.append(folder)
            (folder / "x").touch()
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail_inside()
    assert " " not in str(kept[0]) and not kept[0].exists() and list(spaced.iterdir()) == []
    monkeypatch.setattr(staging, "_PLACES", ())
    with pytest.raises(ToolError, match="cannot read paths with spaces"), staging_folder():
        pass


def test_a_dlc_that_the_libraries_do_not_load_is_not_run(bundle: Path) -> None:
    whole = (bundle / "int8.dlc").read_bytes()
    (bundle / "int8.dlc").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(NotRunError, match="the libraries of pip do not load it"):
        SdkDlcBackend(bundle, 73, 120.0)
