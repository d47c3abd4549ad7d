"""An adb server of the tests' own, stand-in devices, a stand-in SDK and a tiny bundle."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from adb.device_sdk import make_device_sdk
from adb.rig import MakeDevice, Place, Server, StandIn
from sdk.tiny import make_bundle, write_pictures

from hexdet.benchmarks.adb.client import find_adb
from hexdet.errors import NotRunError


def _adb_is_here() -> bool:
    try:
        find_adb(None, os.environ)
    except NotRunError:
        return False
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, and say so, what needs an adb program that is not here, or a phone."""
    here = Path(__file__).parent
    no_adb = pytest.mark.skip(reason="no adb program: pip install adbutils")
    no_phone = pytest.mark.skip(reason="no phone: set HEXDET_PHONE to its adb serial")
    for item in items:
        if here in item.path.parents and not _adb_is_here():
            item.add_marker(no_adb)
        if item.get_closest_marker("adb") and not os.environ.get("HEXDET_PHONE"):
            item.add_marker(no_phone)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data, the bundle `tiny`, an SDK and the emulator's kept answers."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEXDET_DATA", str(write_pictures(folder / "data")))
        make_bundle(folder)
    make_device_sdk(folder / "an SDK's 2.25")
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("home"))
    yield started
    started.stop()


@pytest.fixture
def place(made: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Return a bundle of this test's own; everything of adb and data is the tests'."""
    monkeypatch.setenv("HEXDET_DATA", str(made / "data"))
    monkeypatch.setenv("HEXDET_STANDIN_CACHE", str(made / "cache"))
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("QAIRT_SDK_ROOT", "QNN_SDK_ROOT", "SNPE_ROOT", "ADB_SERVER_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    bundle = Path(shutil.copytree(made / "tiny", tmp_path / "tiny"))
    monkeypatch.setenv("HEXDET_STANDIN_CONTEXTS", str(bundle))
    return Place(bundle, made / "an SDK's 2.25", server)


@pytest.fixture
def make_device(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeDevice]:
    """Return a function that starts a stand-in device and connects it, unless told not to."""
    started: list[StandIn] = []

    def make(name: str = "STANDIN0", chip: str = "SM8550", *, connect: bool = True) -> StandIn:
        device = StandIn(tmp_path_factory.mktemp(name), chip=chip, name=name)
        started.append(device)
        if connect:
            place.server.connect(device)
        return device

    yield make
    for device in started:
        place.server.call("disconnect", device.serial)
        device.stop()


@pytest.fixture
def device(make_device: MakeDevice) -> StandIn:
    return make_device()
