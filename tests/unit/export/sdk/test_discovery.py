"""Which SDK is found, which Python it gets, and what is said where something is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hexdet.errors import NotRunError
from hexdet.export.sdk.discovery import HOST, Discovery, discover
from hexdet.export.sdk.interpreter import tool_environment, wanted_minors

HERE = sys.version_info[1]


def make_root(root: Path, *, yaml: str | None = "version: 2.25.0\n", minor: int = HERE) -> Path:
    (root / "bin" / HOST).mkdir(parents=True)
    for tool in ("snpe-onnx-to-dlc", "snpe-dlc-quant"):
        path = root / "bin" / HOST / tool
        path.write_text("#!/bin/sh\necho SNPE v2.10.0.4541\n")
        path.chmod(0o755)
    (root / "lib" / "python").mkdir(parents=True)
    (root / "lib" / "python" / f"libPyIrGraph.cpython-3{minor}-x86_64.so").touch()
    if yaml is not None:
        (root / "sdk.yaml").write_text(yaml)
    return root


def look(root: Path | None = None, **environ: str) -> Discovery:
    return discover(root, Path(sys.executable), environ)


def test_nothing_says_where_to_get_it() -> None:
    found = look()
    assert found.sdk is None
    with pytest.raises(NotRunError, match=r"set QAIRT_SDK_ROOT .* or give --sdk DIR; .*https://"):
        found.require()


@pytest.mark.parametrize("name", ["QAIRT_SDK_ROOT", "QNN_SDK_ROOT", "SNPE_ROOT"])
def test_each_variable_names_it(tmp_path: Path, name: str) -> None:
    root = make_root(tmp_path / "an SDK's root")
    found = look(**{name: str(root)})
    assert found.said_by == name and not found.problems
    sdk = found.require()
    assert (sdk.root, sdk.version, sdk.number) == (root, "2.25.0", (2, 25))
    assert not sdk.is_stand_in and set(sdk.tools) == {"snpe-onnx-to-dlc", "snpe-dlc-quant"}


def test_the_option_goes_before_the_variables(tmp_path: Path) -> None:
    root = make_root(tmp_path / "a")
    found = look(root, SNPE_ROOT=str(tmp_path / "none"))
    assert found.said_by == "--sdk" and found.require().root == root


@pytest.mark.parametrize(
    ("yaml", "version", "number"),
    [
        (None, "2.10.0.4541", (2, 10)),
        ("[", "2.10.0.4541", (2, 10)),
        ("frameworks: {onnx_version: 1.12.0}\n", "2.10.0.4541", (2, 10)),
        ("version: v2.25.0\nbuild_id: '240728_1'\n", "v2.25.0.240728_1", (2, 25)),
        ("sdk: {product: {version: 2.31.0.25}}\nonnx: {version: 1.1.0}\n", "2.31.0.25", (2, 31)),
    ],
)
def test_the_version_is_in_sdk_yaml_or_a_tool_says_it(
    tmp_path: Path, yaml: str | None, version: str, number: tuple[int, int]
) -> None:
    sdk = look(make_root(tmp_path / "r", yaml=yaml)).require()
    assert (sdk.version, sdk.number) == (version, number)


def test_what_is_no_sdk_is_refused(tmp_path: Path) -> None:
    assert "which is no folder" in look(tmp_path / "none").problems[0]
    assert "has no tool in bin/" in look(tmp_path).problems[0]
    root = make_root(tmp_path / "r", yaml=None)
    for tool in (root / "bin" / HOST).iterdir():
        tool.write_text("#!/bin/sh\nexit 1\n")
    assert "does not tell its version" in look(root).problems[0]


def test_the_wrong_python_is_refused_by_the_one_it_wants(tmp_path: Path) -> None:
    root = make_root(tmp_path / "r", minor=HERE + 1)
    found = discover(root, Path(sys.executable), {})
    assert found.sdk is not None  # for those who only want to see what is there
    with pytest.raises(
        NotRunError, match=rf"want Python 3\.{HERE + 1}, but .* is Python 3\.{HERE}"
    ):
        found.require()
    with pytest.raises(NotRunError, match="is no Python"):
        discover(root, tmp_path / "none", {}).require()
    with pytest.raises(NotRunError, match=rf"no python3\.{HERE + 1} on PATH.*--sdk-python"):
        discover(root, None, {"PATH": str(tmp_path)}).require()


@pytest.mark.parametrize(
    ("number", "minors"),
    [
        ((1, 68), (6,)), ((2, 5), (6,)), ((2, 10), (8,)), ((2, 21), (8,)), ((2, 22), (10,)),
        ((2, 46), (10,)), ((2, 48), (10, 12)),
    ],
)  # fmt: skip
def test_without_native_modules_the_release_decides(
    tmp_path: Path, number: tuple[int, int], minors: tuple[int, ...]
) -> None:
    assert wanted_minors(tmp_path, number) == minors


def test_the_native_modules_decide(tmp_path: Path) -> None:
    folder = tmp_path / "lib" / "python" / "qti"
    folder.mkdir(parents=True)
    for name in ("a.cpython-310-x86_64-linux-gnu.so", "libPyIrGraph312.so", "libother.so"):
        (folder / name).touch()
    assert wanted_minors(tmp_path, (1, 0)) == (10, 12)


def test_the_environment_keeps_the_callers_but_not_his_python(tmp_path: Path) -> None:
    before = {"PYTHONPATH": "mine", "PYTHONHOME": "x", "PATH": "/bin", "LD_LIBRARY_PATH": "/l"}
    env = tool_environment(tmp_path, {**before, "KEPT": "1"})
    assert env["PYTHONPATH"] == str(tmp_path / "lib" / "python") and "PYTHONHOME" not in env
    assert env["PATH"].endswith(":/bin") and env["LD_LIBRARY_PATH"].endswith(":/l")
    assert env["KEPT"] == "1" and env["SNPE_ROOT"] == env["QAIRT_SDK_ROOT"] == str(tmp_path)
