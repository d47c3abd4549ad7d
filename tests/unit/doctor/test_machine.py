"""The machine: data folder, disk, GPU, SDKs, each there, missing and broken."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from hexdet.doctor.finding import Status
from hexdet.doctor.gpu import gpu
from hexdet.doctor.machine import cores, data, disk
from hexdet.doctor.qualcomm import sdks


def test_no_data_folder_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEXDET_DATA", raising=False)
    finding = data()
    assert (finding.status, finding.jobs) == ("missing", ())
    assert "HEXDET_DATA" in finding.advice


def test_a_data_folder_that_is_named_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEXDET_DATA", str(tmp_path / "none"))
    assert data().status == "broken"


def test_the_datasets_of_the_shipped_recipes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEXDET_DATA", str(tmp_path))
    assert data().status == "missing"
    (tmp_path / "bccd" / "BCCD").mkdir(parents=True)
    finding = data()
    assert finding.status == "ok"
    assert finding.found.endswith(": bccd/BCCD")
    assert "bccd/BCCD" not in finding.advice
    assert finding.advice.startswith("not there: ")


def test_without_yaml_the_folders_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEXDET_DATA", str(tmp_path))
    monkeypatch.setitem(sys.modules, "yaml", None)
    for name in "abcdefgh":
        (tmp_path / name).mkdir()
    assert data().found.endswith(": a, b, c, d, e, f and 2 more")


def test_the_disk(tmp_path: Path) -> None:
    assert disk(tmp_path, least_free=1).status == "ok"
    scarce = disk(tmp_path, least_free=2**60)
    assert (scarce.status, scarce.jobs) == ("broken", ("export",))
    assert "free some" in scarce.advice


def test_the_machine_is_told() -> None:
    assert " cores, " in cores().found


DRIVER = "#!/bin/sh\n"


@pytest.mark.parametrize(
    ("script", "built_for", "usable", "status", "said"),
    [
        (None, "", (), "missing", "on the CPU"),
        (None, None, (), "missing", "on the CPU"),
        ("echo 'NVIDIA H200, 143771 MiB, 570.1'", "12.6", ("NVIDIA H200",), "ok",
         "H200, 143771 MiB, 570.1; torch uses it (CUDA 12.6)"),
        ("echo 'NVIDIA H200, 143771 MiB, 570.1'", "", (), "differs", "a build for the CPU"),
        ("echo 'NVIDIA H200, 143771 MiB, 570.1'", "13.0", (), "differs", "built for CUDA 13.0"),
        ("echo 'NVIDIA H200, 143771 MiB, 570.1'", None, (), "ok", "not installed"),
        ("echo 'Driver/library version mismatch' >&2; exit 18", "", (), "broken", "mismatch"),
    ],
)  # fmt: skip
def test_the_gpu(
    script: str | None, built_for: str | None, usable: tuple[str, ...], status: Status, said: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    if script is not None:
        tool = tmp_path / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    finding = gpu(built_for, usable)
    assert finding.status == status
    assert said in finding.found
    assert finding.jobs == ()


def test_no_sdk_is_no_failure() -> None:
    (finding,) = sdks({})
    assert (finding.status, finding.jobs) == ("missing", ())
    assert "QAIRT_SDK_ROOT" in finding.advice


def test_every_variable_that_names_an_sdk_is_heeded_once(tmp_path: Path) -> None:
    root = tmp_path / "qairt"
    tools = root / "bin" / "x86_64-linux-clang"
    tools.mkdir(parents=True)
    (tools / "qairt-converter").write_text("")
    (root / "sdk.yaml").write_text("version: 2.31.0\n")
    named = {
        "QAIRT_SDK_ROOT": str(root),
        "QNN_SDK_ROOT": f"{root}/.",
        "SNPE_ROOT": str(tmp_path / "no"),
    }
    found, absent = sdks({**named, "PATH": ""})
    assert "QAIRT 2.31" in found.found
    assert "by QAIRT_SDK_ROOT" in found.found
    # Its converter wants a Python that this PATH does not have.
    assert (found.status, absent.status) == ("broken", "broken")
    assert "python3.10" in found.advice
    assert "no folder" in absent.found


def test_without_yaml_sdks_are_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (finding,) = sdks({"SNPE_ROOT": "/opt/snpe"})
    assert finding.status == "missing"
    assert "hexdet[toolchain]" in finding.advice
