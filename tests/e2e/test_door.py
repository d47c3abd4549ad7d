"""The product as its user meets it: the command line, its files, its errors and its exit codes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from hexdet.datasets.scenes import Scenes
from hexdet.runtime.files import sha256_of
from hexdet.runtime.htp import dsp_is_here

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "hall.png"
    cv2.imwrite(str(path), Scenes(split="test", count=200, seed=0)[1].image)
    return path


def test_the_bundle_is_complete_and_its_manifest_true(heads: Path) -> None:
    manifest = json.loads((heads / "manifest.json").read_text())
    expected = {
        "detector.json", "float.onnx", "int8.onnx", "encodings.json", "float.dlc", "int8.dlc",
        "calibration.json",
    }  # fmt: skip
    assert set(manifest["files"]) == expected
    for name, digest in manifest["files"].items():
        assert sha256_of(heads / name) == digest
    assert len(json.loads((heads / "calibration.json").read_text())["images"]) == 16
    assert not [p for p in heads.iterdir() if p.name.startswith(".")]
    assert json.loads((heads / "detector.json").read_text())["target_arch"] == 73


def test_the_dlcs_are_genuine_containers(heads: Path) -> None:
    for name, low, high in (("float.dlc", 10e6, 12e6), ("int8.dlc", 3e6, 5e6)):
        data = (heads / name).read_bytes()
        assert data[:4] == b"PK\x03\x04"
        assert b"dlc.metadata" in data
        assert low < len(data) < high


def test_an_unchanged_export_is_skipped(hexdet_cli: Run, heads_build: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (heads_build / "heads").iterdir()}
    result = hexdet_cli(
        "export", "heads", "--build", heads_build, "--check", "2",
        "--set", "calibration.images=16",
    )  # fmt: skip
    assert result.stderr.count("unchanged, skipped") == 4
    for name in ("float.onnx", "int8.onnx", "float.dlc", "int8.dlc"):
        path = heads_build / "heads" / name
        assert path.stat().st_mtime_ns == before[path]
    assert "2,750,864" in result.stdout
    assert "618,007,664" in result.stdout


def test_a_lost_file_is_made_again_identically(
    hexdet_cli: Run, heads: Path, tmp_path: Path
) -> None:
    build = tmp_path / "build"
    shutil.copytree(heads, build / "heads")
    before = {n: sha256_of(heads / n) for n in ("int8.onnx", "encodings.json", "detector.json")}
    (build / "heads" / "int8.onnx").unlink()
    result = hexdet_cli(
        "export", "heads", "--build", build, "--check", "0", "--set", "calibration.images=16"
    )
    assert "export: unchanged" in result.stderr
    assert "quantize: done" in result.stderr
    assert {n: sha256_of(build / "heads" / n) for n in before} == before


def test_report_scores_the_same_images_three_times(hexdet_cli: Run, heads: Path) -> None:
    result = hexdet_cli("report", heads, "--limit", "2", "--max-drop", "100")
    report = json.loads((heads / "report.json").read_text())
    assert report["images"] == 2
    assert [row["key"] for row in report["rows"]] == ["float", "int8_cpu", "int8_htp"]
    assert report["parameters"] == 2_750_864
    assert report["macs"] == 618_007_664
    assert "2 of 200 images" in result.stdout
    page = (heads / "report.html").read_text()
    assert "618,007,664" in page
    assert not re.search(r"""(src|href)=["'](?!data:)""", page)


def test_evaluate_prints_json_on_demand(hexdet_cli: Run, heads: Path) -> None:
    result = hexdet_cli("evaluate", heads, "--limit", "3", "--json")
    content = json.loads(result.stdout)
    assert content["images"] == 3
    assert 0 <= content["ap50"] <= 1


def test_detect_an_image(hexdet_cli: Run, heads: Path, photo: Path, tmp_path: Path) -> None:
    result = hexdet_cli("detect", heads, photo, "--out", tmp_path, "--json")
    content = json.loads(result.stdout)
    assert json.loads((tmp_path / "detections.json").read_text()) == content
    found = content["images"][0]["detections"]
    assert found
    assert {d["class"] for d in found} == {"head"}
    drawn = cv2.imread(content["images"][0]["annotated"])
    assert drawn is not None
    assert drawn.shape == cv2.imread(str(photo)).shape


def test_detect_on_the_emulator_finds_what_the_cpu_finds(
    hexdet_cli: Run, heads: Path, photo: Path, tmp_path: Path
) -> None:
    counts = []
    for backend in ("cpu", "htp"):
        result = hexdet_cli(
            "detect", heads, photo, "--out", tmp_path / backend, "--backend", backend, "--json",
            "--score", "0.5",
        )  # fmt: skip
        counts.append(len(json.loads(result.stdout)["images"][0]["detections"]))
    assert abs(counts[0] - counts[1]) <= 1


@pytest.mark.skipif(dsp_is_here(), reason="here `auto` is the DSP")
def test_without_a_dsp_detect_runs_on_the_cpu_unasked(
    hexdet_cli: Run, heads: Path, photo: Path, tmp_path: Path
) -> None:
    found = []
    for number, options in enumerate(([], ["--backend", "auto"], ["--backend", "cpu"])):
        place = tmp_path / str(number)
        result = hexdet_cli("detect", heads, photo, "--out", place, "--json", *options)
        found.append(json.loads(result.stdout.replace(str(place), "OUT")))
    assert found[0] == found[1] == found[2]
    assert "CPU" in found[0]["backend"]


def test_a_damaged_image_in_a_folder_is_named_and_skipped(
    hexdet_cli: Run, heads: Path, photo: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    shutil.copy(photo, folder / "good.png")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "half.png").write_bytes(photo.read_bytes()[: photo.stat().st_size // 2])
    result = hexdet_cli("detect", heads, folder, "--out", tmp_path / "out")
    assert "empty.jpg is empty" in result.stderr
    assert "half.png is truncated" in result.stderr
    assert "2 unreadable and skipped" in result.stdout
    assert len(json.loads((tmp_path / "out/detections.json").read_text())["images"]) == 1


BAD_INPUT = [
    (["export", "heads", "--set", "training.epoch=3"], ["training.epoch", "epochs"]),
    (["export", "nothing"], ["no recipe 'nothing'", "heads"]),
    (["export", "heads", "--checkpoint", "missing.safetensors"], ["hexdet train heads"]),
    (["detect", "no-bundle", "x.jpg"], ["x.jpg"]),
    (["report", "no-bundle"], ["no-bundle", "hexdet export"]),
    (["quantize", "no-bundle"], ["no-bundle", "hexdet export"]),
    (["dlc", "no-bundle"], ["no-bundle", "hexdet export"]),
    (["evaluate", "no-bundle"], ["no-bundle", "hexdet export"]),
]


@pytest.mark.parametrize(("arguments", "words"), BAD_INPUT, ids=lambda v: " ".join(v)[:40])
def test_bad_input_is_one_line_and_exit_code_1(
    hexdet_cli: Run, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    result = hexdet_cli(*arguments, cwd=tmp_path, code=1)
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for word in words:
        assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_dataset_names_its_address_and_layout(hexdet_cli: Run, tmp_path: Path) -> None:
    env = {"HEXDET_DATA": str(tmp_path / "nowhere")}
    result = hexdet_cli("train", "bccd", cwd=tmp_path, env=env, code=1)
    for word in ("github.com/Shenggan/BCCD_Dataset", "Annotations", "HEXDET_DATA"):
        assert word in result.stderr


def test_a_checkpoint_of_another_class_count_is_refused(hexdet_cli: Run, tmp_path: Path) -> None:
    import hexdet

    shipped = Path(hexdet.__file__).parent / "training/checkpoints/heads.safetensors"
    result = hexdet_cli("export", "bccd", "--checkpoint", shipped, cwd=tmp_path, code=1)
    assert "1 classes ['head']" in result.stderr
    assert "recipe bccd has 3" in result.stderr


@pytest.mark.parametrize("content", [b"", b"not an image at all", b"\xff\xd8\xff\xe0half"])
def test_a_damaged_image_alone_is_fatal(
    hexdet_cli: Run, heads: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    result = hexdet_cli("detect", heads, path, "--out", tmp_path / "out", code=1)
    assert "bad.jpg" in result.stderr
    assert not (tmp_path / "out").exists()


def test_detect_never_writes_over_an_image(hexdet_cli: Run, heads: Path, tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    cv2.imwrite(str(photo), Scenes(split="test", count=200, seed=0)[1].image)
    before = sha256_of(photo)
    result = hexdet_cli("detect", heads, tmp_path, "--out", tmp_path, code=1)
    assert "--out" in result.stderr
    assert sha256_of(photo) == before


def test_quantize_refuses_what_belongs_to_the_float_graph(hexdet_cli: Run, heads: Path) -> None:
    before = sha256_of(heads / "int8.onnx")
    result = hexdet_cli("quantize", heads, "--set", "network.mean=0", code=1)
    assert "network belongs to the float graph" in result.stderr
    assert sha256_of(heads / "int8.onnx") == before


def test_another_setting_makes_the_accuracy_check_stale(
    hexdet_cli: Run, heads: Path, tmp_path: Path
) -> None:
    shutil.copytree(heads, tmp_path / "heads")
    again = ["export", "heads", "--build", tmp_path, "--check", "2"]
    again += ["--set", "calibration.images=16"]
    hexdet_cli(*again)
    assert "accuracy check: unchanged" in hexdet_cli(*again).stderr
    other = hexdet_cli(*again, "--set", "export.target_arch=75")
    assert "accuracy check: unchanged" not in other.stderr
    report = json.loads((tmp_path / "heads" / "report.json").read_text())
    assert report["arch"] == 75


def test_evaluate_for_a_target_runs_on_its_emulated_hexagon(hexdet_cli: Run, heads: Path) -> None:
    result = hexdet_cli("evaluate", heads, "--target", "qcs6490", "--limit", "1")
    assert "emulated HTP (v68)" in result.stdout


def test_an_empty_folder_is_refused(hexdet_cli: Run, heads: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = hexdet_cli("detect", heads, tmp_path / "empty", code=1, cwd=tmp_path)
    assert "holds no image" in result.stderr


def test_usage_errors_are_exit_code_2(hexdet_cli: Run) -> None:
    assert "No such command" in hexdet_cli("fly", code=2).stderr
    hexdet_cli("detect", code=2)


def test_help_shows_an_example_for_every_verb(hexdet_cli: Run) -> None:
    for verb in ("train", "export", "quantize", "dlc", "evaluate", "report", "detect"):
        assert f"Example: hexdet {verb}" in hexdet_cli(verb, "--help").stdout


def test_a_full_disk_leaves_the_old_bundle(hexdet_cli: Run, heads: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(mounted)], capture_output=True
    )
    if mount.returncode != 0:
        pytest.skip("cannot mount a tmpfs here: needs root")
    try:
        small = mounted / "heads"
        for name in ("detector.json", "float.onnx", "manifest.json"):
            small.mkdir(exist_ok=True)
            shutil.copy(heads / name, small / name)
        (mounted / "filler").write_bytes(bytes(18 * 2**20))
        before = sha256_of(small / "float.onnx")
        result = hexdet_cli(
            "export", "heads", "--build", mounted, "--check", "0",
            "--set", "calibration.images=4", code=1,
        )  # fmt: skip
        assert "cannot write" in result.stderr
        assert "No space left" in result.stderr
        assert sha256_of(small / "float.onnx") == before
        assert not [p for p in small.iterdir() if p.name.startswith(".")]
        assert np.all([(small / n).stat().st_size > 0 for n in ("detector.json", "float.onnx")])
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
