"""What the wheel and the sdist hold: all that hexdet needs, and nothing else."""

from __future__ import annotations

import re
import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from release.build_dist import Dist, tracked_files

import hexdet

ROOT = Path(hexdet.__file__).parent
NOT_INSTALLED = re.compile(
    r"(tests|docs|docker|\.\w+)/|(\.\w+|Makefile|LICENSE|pyproject\.toml|\w+\.md)$"
)
"""Of the repository. constraints.txt is installed: the doctor reads the tested versions there."""
LARGEST_MB = 40


@pytest.fixture(scope="module")
def in_wheel(dist: Dist) -> set[str]:
    with zipfile.ZipFile(dist.wheel) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(dist: Dist) -> Message:
    with zipfile.ZipFile(dist.wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def test_the_wheel_holds_the_package_and_nothing_else(in_wheel: set[str]) -> None:
    expected = {f"hexdet/{name}" for name in tracked_files() if not NOT_INSTALLED.match(name)}
    found = {name for name in in_wheel if ".dist-info/" not in name}
    assert sorted(expected - found) == []
    assert sorted(found - expected) == []


@pytest.mark.parametrize(
    "name",
    ["constraints.txt", "py.typed", "doctor/probe.onnx", "export/contracts/rfb320.yaml",
     "training/recipes/heads.yaml", "training/checkpoints/heads.safetensors",
     "runtime/stream/page.html"],
)  # fmt: skip
def test_what_is_no_python_is_there_too(name: str, in_wheel: set[str]) -> None:
    """The walk above would agree with a repository that has lost them."""
    assert f"hexdet/{name}" in in_wheel


def test_the_sdist_builds_the_same_wheel_and_has_no_tests(dist: Dist, in_wheel: set[str]) -> None:
    """The wheel was built from it: what is missing in one is missing in the other."""
    with tarfile.open(dist.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {f.removeprefix("hexdet/") for f in in_wheel if ".dist-info/" not in f} <= names
    assert {"pyproject.toml", "LICENSE", "README.md"} <= names
    assert [name for name in names if name.startswith(("tests/", "build/", ".venv/"))] == []


def test_the_metadata_is_what_pip_needs(metadata: Message) -> None:
    assert metadata["Version"] == hexdet.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    needed = [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]
    base = {r.name for r in needed if r.marker is None}
    assert base == {"numpy", "onnxruntime", "opencv-python-headless", "rich", "typer"}


def test_no_qualcomm_library_is_inside(in_wheel: set[str]) -> None:
    """Their licence lets nobody redistribute them."""
    assert [name for name in in_wheel if name.endswith((".so", ".dll", ".bin", ".dlc"))] == []


def test_the_files_fit_a_package_index(dist: Dist) -> None:
    assert dist.wheel.name == f"hexdet-{hexdet.__version__}-py3-none-any.whl"
    for path in (dist.wheel, dist.sdist):
        assert path.stat().st_size < LARGEST_MB * 10**6


def test_the_version_is_said_in_one_place_and_told_in_the_changelog() -> None:
    content = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert not re.search(r"^version\s*=\s*\"", content, re.MULTILINE)
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\d+\.\d+\.\d+)", changes, re.MULTILINE)
    assert versions[:1] == [hexdet.__version__]
    assert versions == sorted(versions, key=lambda v: [*map(int, v.split("."))], reverse=True)
