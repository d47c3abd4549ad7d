"""A bundle that takes a moment, stand-in SDKs of four versions, and interpreters for them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sdk.tiny import make_bundle, write_pictures

from sdk_standin.layout import make_python, make_tree
from sdk_standin.versions import VERSIONS

MakeSdk = Callable[..., Path]


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def _data(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEXDET_DATA", str(data_folder))
    for name in ("QAIRT_SDK_ROOT", "QNN_SDK_ROOT", "SNPE_ROOT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def tiny_bundle(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of the tiny network; no test may change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEXDET_DATA", str(data_folder))
        return make_bundle(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(scope="session")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an interpreter for each minor version that the SDKs want."""
    folder = tmp_path_factory.mktemp("pythons")
    for minor in sorted({minor for version in VERSIONS.values() for minor in version.minors}):
        make_python(folder, minor)
    return folder


@pytest.fixture
def make_sdk(tmp_path: Path, pythons: Path, monkeypatch: pytest.MonkeyPatch) -> MakeSdk:
    """Return a function that lays out a stand-in SDK, its Python being on PATH.

    Its root has a space and a quote in its name.
    """
    monkeypatch.setenv("PATH", f"{pythons}{os.pathsep}{os.environ['PATH']}")

    def make(version: str, faults: dict[str, str] | None = None) -> Path:
        root = tmp_path / f"an SDK's {version}"
        return make_tree(VERSIONS[version], root, misbehaves=faults)

    return make


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder for temporary files, in which nothing of ours may be left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    left = {path.name for path in folder.iterdir()}
    assert not left - {".ses"}  # which Qualcomm's libraries leave themselves
