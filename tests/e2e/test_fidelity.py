"""That the file shipped to the DSP is the network that was trained: ladder, audit, DLC reader."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import hexdet
from hexdet.errors import ParityError
from hexdet.evaluation.found_again import found_again
from hexdet.export.audit import audit_bundle, check_audit
from hexdet.export.dlc import write_dlc
from hexdet.export.dlc_file import read_dlc
from hexdet.export.dlc_file.diff import compare
from hexdet.recipe import load_recipe
from hexdet.runtime.detections import Detections
from hexdet.runtime.files import sha256_of

Run = Callable[..., subprocess.CompletedProcess[str]]

DATA = Path(os.environ.get("HEXDET_DATA") or "data")
FACES = DATA.parent / "models" / "ultra_light_face"
needs_faces = pytest.mark.skipif(
    not (FACES.is_dir() and (DATA / "photos").is_dir()),
    reason=f"no face detector at {FACES} or no photographs at {DATA / 'photos'}: set HEXDET_DATA",
)


@pytest.fixture
def copied(heads: Path, tmp_path: Path) -> Path:
    """Return a bundle that a test may spoil."""
    return shutil.copytree(heads, tmp_path / "build" / "heads")


def test_every_host_rung_is_run_and_passed(hexdet_cli: Run, heads: Path) -> None:
    hexdet_cli("parity", heads, "--limit", "2")
    ladder = json.loads((heads / "parity.json").read_text())
    status = {rung["key"]: rung["status"] for rung in ladder["rungs"]}
    assert status == {
        "torch": "reference",
        "exported": "passed",
        "float": "passed",
        "int8_cpu": "passed",
        "int8_htp": "passed",
        "int8_dlc": "passed",
        "device": "not run",
    }
    by_key = {rung["key"]: rung for rung in ladder["rungs"]}
    assert max(o["max_codes"] for o in by_key["int8_dlc"]["outputs"]) == 0
    assert by_key["int8_cpu"]["references"] > 5
    assert all(rung["ap50"] is not None for key, rung in by_key.items() if key != "device")


def test_a_spoilt_scale_is_found_by_the_audit(copied: Path) -> None:
    model = onnx.load(copied / "int8.onnx")
    scales = {i.name: i for i in model.graph.initializer}
    victim = [n for n in model.graph.node if n.op_type == "Conv"][20]
    dequantize = next(n for n in model.graph.node if n.output[0] == victim.input[1])
    scale = scales[dequantize.input[1]]
    spoilt = numpy_helper.to_array(scale) * np.float32(4)
    scale.CopyFrom(numpy_helper.from_array(spoilt, scale.name))
    onnx.save(model, copied / "int8.onnx")
    with pytest.raises(ParityError, match="audit"):
        check_audit(audit_bundle(copied, load_recipe("heads").quantization))


def test_a_damaged_dlc_fails_its_rung(hexdet_cli: Run, copied: Path) -> None:
    data = (copied / "int8.dlc").read_bytes()
    (copied / "int8.dlc").write_bytes(data[:100_000])
    result = hexdet_cli("parity", copied, "--limit", "1", "--bisect", code=3)
    assert "the rung int8.dlc" in result.stderr
    rungs = {r["key"]: r for r in json.loads((copied / "parity.json").read_text())["rungs"]}
    assert rungs["int8_dlc"]["status"] == "failed"
    assert rungs["int8_htp"]["status"] == "passed"


def test_quantizing_again_takes_stale_context_binaries_away(hexdet_cli: Run, copied: Path) -> None:
    hexdet_cli("dlc", copied, "--target", "SM8550")
    assert (copied / "SM8550.bin").is_file()
    hexdet_cli("quantize", copied, "--set", "quantization.weights=per_tensor")
    assert not (copied / "SM8550.bin").exists()
    assert not (copied / "SM8550.onnx").exists()
    assert "SM8550.bin" not in json.loads((copied / "manifest.json").read_text())["files"]


def test_a_lost_checkpoint_leaves_its_rungs_not_run(hexdet_cli: Run, copied: Path) -> None:
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["sources"]["checkpoint"] = "0" * 64
    (copied / "manifest.json").write_text(json.dumps(manifest))
    hexdet_cli("parity", copied, "--limit", "1")
    rungs = {r["key"]: r for r in json.loads((copied / "parity.json").read_text())["rungs"]}
    assert rungs["torch"]["status"] == rungs["exported"]["status"] == "not run"
    assert "no checkpoint" in rungs["torch"]["reason"]
    assert rungs["float"]["status"] == "reference"


@pytest.mark.parametrize("name", ["int8.dlc", "float.dlc"])
def test_dlc_info_counts_from_the_file_alone(
    hexdet_cli: Run, heads: Path, tmp_path: Path, name: str
) -> None:
    alone = shutil.copy(heads / name, tmp_path / "x.dlc")
    content = json.loads(hexdet_cli("dlc-info", alone, "--json", cwd=tmp_path).stdout)
    assert content["total_parameters"] == 2_750_864
    assert content["total_macs"] == 618_007_664
    assert content["container_version"] == 4
    table = hexdet_cli("dlc-info", alone).stdout
    assert "Total parameters: 2,750,864" in table
    assert "Total MACs per inference: 618,007,664" in table
    lines = hexdet_cli("dlc-info", alone, "--csv").stdout.splitlines()
    assert len(lines) == len(content["rows"]) + 1


def test_dlc_diff_tells_a_changed_weight(hexdet_cli: Run, heads: Path, tmp_path: Path) -> None:
    assert "identical" in hexdet_cli("dlc-diff", heads / "int8.dlc", heads / "int8.dlc").stdout
    model = onnx.load(heads / "int8.onnx")
    weight = next(i for i in model.graph.initializer if len(i.dims) == 4)
    values = numpy_helper.to_array(weight).copy()
    values.flat[0] += 1 if values.flat[0] < 100 else -1
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "changed.onnx")
    write_dlc(tmp_path / "changed.onnx", tmp_path / "changed.dlc", 120)
    result = hexdet_cli("dlc-diff", heads / "int8.dlc", tmp_path / "changed.dlc", code=3)
    assert "1 differences" in result.stdout
    assert "weights" in result.stdout


def test_the_audit_sees_a_dlc_of_another_calibration(heads: Path, copied: Path) -> None:
    section = load_recipe("heads").quantization
    good = audit_bundle(heads, section)
    assert good.findings == ()
    assert (good.activations, good.parameters) == (82, 142)
    model = onnx.load(copied / "int8.onnx")
    quantize = next(n for n in model.graph.node if n.op_type == "QuantizeLinear")
    scale = next(i for i in model.graph.initializer if i.name == quantize.input[1])
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale) * 2, scale.name))
    onnx.save(model, copied / "int8.onnx")
    findings = audit_bundle(copied, section).findings
    assert len(findings) == 2  # once in the DLC, once in encodings.json


def test_exporting_twice_gives_the_same_files(hexdet_cli: Run, heads: Path, tmp_path: Path) -> None:
    hexdet_cli(
        "export", "heads", "--build", tmp_path, "--check", "0", "--set", "calibration.images=16"
    )
    again = tmp_path / "heads"
    for name in ("float.onnx", "int8.onnx", "encodings.json", "detector.json", "calibration.json"):
        assert sha256_of(again / name) == sha256_of(heads / name), name
    for name in ("float.dlc", "int8.dlc"):
        assert compare(read_dlc(again / name), read_dlc(heads / name)).identical, name


def test_a_target_gets_its_context_binary_and_its_rung(hexdet_cli: Run, copied: Path) -> None:
    hexdet_cli("dlc", copied, "--target", "qcs6490", "--target", "SM8550")
    for name in ("QCS6490.bin", "QCS6490.onnx", "SM8550.bin", "SM8550.onnx"):
        assert (copied / name).stat().st_size > 0
    hexdet_cli("parity", copied, "--limit", "1")
    rungs = {r["key"]: r for r in json.loads((copied / "parity.json").read_text())["rungs"]}
    assert rungs["QCS6490"]["status"] == rungs["SM8550"]["status"] == "passed"
    assert max(o["max_codes"] for o in rungs["SM8550"]["outputs"]) == 0


BAD = [
    (["--target", "sm855"], 1, "SM8550"),
    (["--target", "sm8150"], 1, "SDK"),
]


@pytest.mark.parametrize(("arguments", "code", "word"), BAD)
def test_an_unknown_or_legacy_target_is_refused(
    hexdet_cli: Run, heads: Path, arguments: list[str], code: int, word: str
) -> None:
    result = hexdet_cli("dlc", heads, *arguments, code=code)
    assert result.stderr.startswith("error: ")
    assert word in result.stderr


CONTRACT = Path(hexdet.__file__).parent / "export" / "contracts" / "rfb320.yaml"


@needs_faces
@pytest.mark.parametrize("graph", ["version-RFB-320_without_postprocessing", "version-RFB-320"])
def test_a_foreign_ssd_is_carried_through(hexdet_cli: Run, tmp_path: Path, graph: str) -> None:
    hexdet_cli(
        "export", "--onnx", FACES / f"{graph}.onnx", "--contract", CONTRACT, "--build", tmp_path,
        "--check", "0",
    )  # fmt: skip
    operators = {n.op_type for n in onnx.load(tmp_path / "faces/float.onnx").graph.node}
    assert not operators & {"Softmax", "Reshape", "Exp", "Slice"}
    found = {}
    for name, options in (("float", ["--precision", "float"]), ("htp", ["--backend", "htp"])):
        result = hexdet_cli(
            "detect", tmp_path / "faces", DATA / "photos", "--out", tmp_path / name, "--json",
            "--score", "0.6" if name == "float" else "0.3", *options,
        )  # fmt: skip
        images = json.loads(result.stdout)["images"]
        found[name] = [_detections(image["detections"]) for image in images]
    # A float face at 0.6 counts as found where INT8 has it, IoU 0.5, at half that score or more.
    matched, total = found_again(found["float"], found["htp"], score=0.6, least_iou=0.5)
    print(f"{graph}: {matched} of {total} float faces found by INT8 on the emulated HTP")
    assert total >= 50
    assert matched / total >= 0.97


@needs_faces
def test_a_contract_that_does_not_fit_names_the_level(hexdet_cli: Run, tmp_path: Path) -> None:
    contract = tmp_path / "faces.yaml"
    contract.write_text(CONTRACT.read_text().replace("[[32, 32], [48, 48]]", "[[32, 32]]"))
    result = hexdet_cli(
        "export", "--onnx", FACES / "version-RFB-320.onnx", "--contract", contract, "--build",
        tmp_path, code=1,
    )  # fmt: skip
    assert "level of stride 16" in result.stderr


def _detections(rows: list[dict[str, Any]]) -> Detections:
    return Detections(
        boxes=np.asarray([row["box"] for row in rows], np.float32).reshape(-1, 4),
        scores=np.asarray([row["score"] for row in rows], np.float32),
        labels=np.ones(len(rows), np.int64),
        classes=("face",),
    )
