"""Every documented way to mislead is shown to happen, and only where it can."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hexdet.errors import ArtifactError
from hexdet.export.dlc_file import read_dlc
from sdk_standin.layout import make_tree, tool_environment
from sdk_standin.misbehaving import FAULTS, FILE, VARIABLE
from sdk_standin.versions import HOST, VERSIONS

Call = Callable[..., Any]
SHOWN: set[str] = set()


@pytest.fixture
def misled(
    request: pytest.FixtureRequest, call: Call, tmp_path: Path
) -> Callable[[str, str, list[Any]], Any]:
    """Return a function that runs a 2.48 tool which was told to misbehave."""

    def run(tool: str, fault: str, words: list[Any]) -> Any:
        SHOWN.add(fault)
        root = make_tree(VERSIONS["2.48"], tmp_path / "sdk", misbehaves={tool: fault})
        return call(root, tool, *words)

    return run


@pytest.fixture
def convert(tiny: Path, tmp_path: Path) -> list[Any]:
    """Return the words that convert the tiny network to out.dlc."""
    return ["-i", tiny / "tiny.onnx", "-o", tmp_path / "out.dlc"]


Misled = Callable[[str, str, list[Any]], Any]
SUCCESS = "INFO_CONVERSION_SUCCESS"


def test_no_output(misled: Misled, convert: list[Any], tmp_path: Path) -> None:
    result = misled("snpe-onnx-to-dlc", "no-output", convert)
    assert result.code == 0 and SUCCESS in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["sdk"]


def test_truncated(misled: Misled, convert: list[Any], tmp_path: Path) -> None:
    result = misled("snpe-onnx-to-dlc", "truncated", convert)
    assert result.code == 0 and SUCCESS in result.err
    with pytest.raises(ArtifactError):
        read_dlc(tmp_path / "out.dlc")


def test_error_but_good(misled: Misled, convert: list[Any], tmp_path: Path) -> None:
    result = misled("qairt-converter", "error-but-good", convert)
    assert result.code == 1 and "[ERROR]" in result.out
    assert read_dlc(tmp_path / "out.dlc").model.nodes


def test_batch_shrunk(misled: Misled, convert: list[Any], tmp_path: Path) -> None:
    result = misled("snpe-onnx-to-dlc", "batch-shrunk", [*convert, "--batch", "2"])
    assert result.code == 0 and SUCCESS in result.err
    assert read_dlc(tmp_path / "out.dlc").model.tensors["image"].shape == (1, 16, 16, 3)


def test_net_run_shrinks(misled: Misled, int8_dlc: Path, tiny: Path, tmp_path: Path) -> None:
    words = ["--container", int8_dlc, "--input_list", tiny / "nhwc.txt", f"--output_dir={tmp_path}"]
    assert misled("snpe-net-run", "batch-shrunk", words).code == 0
    assert (tmp_path / "Result_0" / "boxes.raw").stat().st_size == 4 * 16 * 16 * 2 / 2


def test_zero_encodings(misled: Misled, convert: list[Any], encodings: Path) -> None:
    words = [*convert, "--quantization_overrides", encodings]
    result = misled("snpe-onnx-to-dlc", "zero-encodings", words)
    assert result.code == 0 and "Processed 0 quantization encodings" in result.err


def test_unsupported_operator(misled: Misled, convert: list[Any], tmp_path: Path) -> None:
    result = misled("qairt-converter", "unsupported-op", convert)
    assert result.code == 1 and "ERROR - Encountered Error: " in result.err
    assert "onnx_conv" in result.err and "node name: first" in result.err
    assert not (tmp_path / "out.dlc").exists()


def test_prepare_error(misled: Misled, int8_dlc: Path, tmp_path: Path) -> None:
    words = [f"--input_dlc={int8_dlc}", f"--output_dlc={tmp_path / 'c'}", "--htp_socs=sm8350"]
    result = misled("snpe-dlc-graph-prepare", "prepare-error", words)
    assert result.code == 0
    error, success = result.out.index("[ERROR]"), result.out.index("Successfully compiled HTP")
    assert error < success
    assert not any(entry.name.startswith("HTP_") for entry in read_dlc(tmp_path / "c").entries)


def test_unknown_target(misled: Misled, int8_dlc: Path, tmp_path: Path) -> None:
    words = [f"--input_dlc={int8_dlc}", f"--output_dlc={tmp_path / 'c'}", "--htp_socs=sm8350"]
    result = misled("snpe-dlc-graph-prepare", "unknown-target", words)
    assert result.code == 1 and "sm8350 is not supported" in result.out


def test_requantisation_error(misled: Misled, int8_dlc: Path, tmp_path: Path) -> None:
    words = ["--model", "libQnnModelDlc.so", "--backend", "libQnnHtp.so", "--dlc_path", int8_dlc]
    words += ["--output_dir", tmp_path, "--binary_file", "c"]
    result = misled("qnn-context-binary-generator", "requantisation-error", words)
    assert result.code == 0 and "[ERROR] requantisation" in result.out
    assert (tmp_path / "c.bin").stat().st_size > 1000


def test_crash(tmp_path: Path) -> None:
    SHOWN.add("crash")
    root = make_tree(VERSIONS["2.25"], tmp_path, misbehaves={"snpe-dlc-quant": "crash"})
    path = tmp_path / "file"
    path.touch()
    result = subprocess.run(
        [root / "bin" / HOST / "snpe-dlc-quant", f"--input_dlc={path}", f"--input_list={path}"],
        env=tool_environment(root), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert result.returncode == 1 and result.stderr.startswith("Traceback (most recent call last)")


def test_hang_leaves_a_child(tmp_path: Path) -> None:
    SHOWN.add("hang")
    root = make_tree(VERSIONS["2.25"], tmp_path, misbehaves={"snpe-dlc-quant": "hang"})
    process = subprocess.Popen(
        [root / "bin" / HOST / "snpe-dlc-quant", "--input_dlc=x"],
        env=tool_environment(root), start_new_session=True,
    )  # fmt: skip
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        limit = time.monotonic() + 30
        while not children.read_text().split():
            assert time.monotonic() < limit and process.poll() is None
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_every_fault_was_shown() -> None:
    if len(SHOWN) < 3:
        pytest.skip("the tests before it did not run")
    assert set(FAULTS) == SHOWN


def test_the_environment_can_mislead_as_well(
    call: Call, int8_dlc: Path, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_tree(VERSIONS["2.25"], tmp_path / "sdk")
    monkeypatch.setenv(VARIABLE, "snpe-net-run=no-output")
    words = ["--container", int8_dlc, "--input_list", tiny / "nhwc.txt", f"--output_dir={tmp_path}"]
    assert call(root, "snpe-net-run", *words).code == 0
    assert not (tmp_path / "Result_0").exists()


def test_a_fault_that_a_tool_cannot_do_is_refused(tmp_path: Path, call: Call) -> None:
    for tool, fault in (("snpe-dlc-info", "truncated"), ("snpe-dlc-quant", "sulk")):
        with pytest.raises(ValueError, match=fault):
            make_tree(VERSIONS["2.25"], tmp_path, misbehaves={tool: fault})
    root = make_tree(VERSIONS["2.25"], tmp_path)
    (root / FILE).write_text("snpe-dlc-info no-output\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no-output"):
        call(root, "snpe-dlc-info", "-i", root / FILE)
