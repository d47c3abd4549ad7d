"""The SDK driven end to end: each release, chip and kind of encodings, and every misbehaviour."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from sdk.cases import CHIPS, FAULTS, MATRIX, USUAL, Cell, Fault, drive, told

from hexdet.errors import HexdetError, RecipeError
from hexdet.export.bundle import Bundle
from hexdet.export.dlc_file import read_dlc
from hexdet.export.sdk.about import INT8_DLC, deliveries
from hexdet.export.sdk.making import CALLS, FAILED
from hexdet.export.sdk.rungs import sdk_rungs
from hexdet.export.stages import STAGES
from hexdet.runtime.contract import load_contract

MakeSdk = Callable[..., Path]


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle that the test may change, in a folder with a space and quotes."""
    return shutil.copytree(tiny_bundle, tmp_path / """a "bundle's" folder""")


def name_of(case: Cell | Fault) -> str:
    if isinstance(case, Cell):
        return f"{case.version}-{case.chip}-{case.encodings}"
    return f"{case.tool}-{case.fault}"


def check(cell: Cell, bundle: Path, make_sdk: MakeSdk) -> None:
    made = drive(bundle, make_sdk(cell.version), cell.chip, encodings=cell.encodings)
    about = made.about
    assert (about["flow"], about["preparation"]) == (cell.flow, cell.preparation)
    assert about["stand_in"] and "stand-in" in about["sdk"]
    assert (about["held"]["differences"] == 0) == (cell.encodings == "ours")
    assert about["held"]["weights"] == about["held"]["biases"] == 4
    folder = bundle / "sdk" / cell.chip
    float_dlc, int8_dlc = read_dlc(folder / "float.dlc"), read_dlc(folder / INT8_DLC)
    assert float_dlc.model.inputs[0].dtype == "Float_32"
    assert {t.dtype for t in int8_dlc.model.outputs} == {"uFxp_8"}
    calls = [json.loads(line) for line in (folder / CALLS).read_text().splitlines()]
    tools = [call["tool"] for call in calls]
    assert ("snpe-dlc-graph-prepare" in tools) == (
        cell.preparation == "cache" and cell.flow != "snpe 1"
    )
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert f"sdk/{cell.chip}/{INT8_DLC}" in manifest["files"]
    opened = load_contract(folder)
    assert opened.target_arch == CHIPS[cell.chip]
    assert set(opened.encodings) == {"scores_8", "boxes_8"}


@pytest.mark.parametrize("cell", USUAL, ids=name_of)
def test_each_flow(cell: Cell, bundle: Path, make_sdk: MakeSdk, temporary: Path) -> None:
    check(cell, bundle, make_sdk)
    # Unchanged, it is skipped: nothing is called again.
    before = (bundle / "sdk" / cell.chip / CALLS).stat().st_mtime_ns
    drive(bundle, make_sdk(cell.version), cell.chip, encodings=cell.encodings)
    assert (bundle / "sdk" / cell.chip / CALLS).stat().st_mtime_ns == before
    if cell.version in ("1.68", "2.25"):
        (row,) = deliveries(Bundle(bundle, STAGES))
        assert (row["chip"], row["stand_in"]) == (cell.chip, "yes")
        (spec,) = sdk_rungs(Bundle(bundle, STAGES), 73, 120.0)
        assert "stand-in" in spec.title and spec.open is not None
        with spec.open() as backend:
            import numpy as np

            found = backend.run(np.full((1, 64, 64, 3), 127, np.uint8))
        assert set(found) == {"scores_8", "boxes_8"}
        assert all(np.isfinite(value).all() for value in found.values())


def test_a_context_binary_is_for_the_chip_asked_for(
    bundle: Path, make_sdk: MakeSdk, temporary: Path
) -> None:
    section = {"encodings": "theirs", "prepare": "context", "flow": "snpe"}
    made = drive(bundle, make_sdk("2.48"), "SM8550", **section)
    assert made.about["preparation"] == "context"
    assert (bundle / "sdk" / "SM8550" / "SM8550.bin").stat().st_size > 0
    calls = (bundle / "sdk" / "SM8550" / CALLS).read_text()
    assert "qnn-context-binary-utility" in calls


@pytest.mark.slow
@pytest.mark.parametrize("cell", [c for c in MATRIX if c not in USUAL], ids=name_of)
def test_the_whole_matrix(cell: Cell, bundle: Path, make_sdk: MakeSdk, temporary: Path) -> None:
    check(cell, bundle, make_sdk)


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
def test_each_misbehaviour(fault: Fault, bundle: Path, make_sdk: MakeSdk, temporary: Path) -> None:
    root = make_sdk(fault.version, {fault.tool: fault.fault})
    said = told(bundle, root, fault)
    assert fault.says in said
    folder = bundle / "sdk" / fault.chip
    assert (folder / INT8_DLC).is_file() == fault.good
    assert (folder / FAILED).is_dir() != fault.good
    if fault.good:
        return
    # What is printed can be pasted: it runs the failing call again, on what was kept.
    again = (folder / FAILED / "again.sh").read_text()
    assert again.strip() in said and fault.tool in again
    if fault.fault == "crash":
        assert "of our graph" not in said
        done = subprocess.run(["sh", "-c", again], capture_output=True, text=True, timeout=300)
        assert "told to crash" in done.stderr
        (link,) = temporary.glob("hexdet-scratch-*")
        assert link.is_symlink()
        link.unlink()


def test_a_failure_leaves_the_last_good_one(
    bundle: Path, make_sdk: MakeSdk, temporary: Path
) -> None:
    drive(bundle, make_sdk("2.25"), "SM8250", encodings="theirs")
    good = (bundle / "sdk" / "SM8250" / INT8_DLC).read_bytes()
    broken = make_sdk("2.25", {"snpe-onnx-to-dlc": "no-output"})
    with pytest.raises(HexdetError):
        drive(bundle, broken, "SM8250", encodings="ours")
    assert (bundle / "sdk" / "SM8250" / INT8_DLC).read_bytes() == good


def test_an_order_to_end_ends_the_tool_too_and_leaves_nothing(
    bundle: Path, make_sdk: MakeSdk, temporary: Path
) -> None:
    root = make_sdk("2.25", {"qairt-converter": "hang"})
    words = ["dlc", bundle, "--toolchain", "sdk", "--sdk", root, "--target", "SM8550"]
    process = subprocess.Popen(
        [Path(sys.executable).with_name("hexdet"), *words], stderr=subprocess.PIPE
    )

    def hanging() -> list[psutil.Process]:
        return [
            found
            for found in psutil.process_iter(["cmdline"])
            if found.pid != process.pid
            and any(word.endswith("/qairt-converter") for word in found.info["cmdline"] or ())
            and str(root) in " ".join(found.info["cmdline"])
        ]

    while not hanging():
        assert process.poll() is None
        time.sleep(0.05)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert not hanging() and not (bundle / "sdk" / "SM8550" / INT8_DLC).exists()


@pytest.mark.parametrize(
    ("version", "section", "says"),
    [
        ("1.68", {"weights": "per_channel"}, r"export\.sdk\.weights: snpe-dlc-quantize of SNPE 1"),
        ("2.10", {"activation_calibration": "entropy"}, r"export\.sdk\.activation_calibration"),
        (
            "2.10",
            {"prepare": "context"},
            r"export\.sdk\.prepare: qnn-context-b.* SNPE 2\.10.* no --dlc_path",
        ),
        ("2.10", {"flow": "qairt"}, r"export\.sdk\.flow: qairt: SNPE 2\.10.* has no qairt"),
        ("2.25", {"weight_schema": "unsignedsymmetric", "flow": "snpe"}, "weight_schema"),
    ],
)
def test_what_a_flow_lacks_is_refused_by_its_key(
    bundle: Path, make_sdk: MakeSdk, temporary: Path, version: str, section: dict[str, str],
    says: str,
) -> None:  # fmt: skip
    with pytest.raises(RecipeError, match=says):
        drive(bundle, make_sdk(version), "SM8350", encodings="theirs", **section)


@pytest.mark.slow
def test_the_shipped_network(heads: Path, make_sdk: MakeSdk, tmp_path: Path) -> None:
    folder = shutil.copytree(heads, tmp_path / "heads")
    made = drive(folder, make_sdk("2.25"), "SM8550", encodings="ours")
    held = made.about["held"]
    assert (held["activations"], held["weights"], held["biases"]) == (82, 71, 71)
    assert held["differences"] == 0
