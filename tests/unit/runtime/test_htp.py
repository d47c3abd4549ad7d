"""Choosing the HTP: which Hexagon is emulated, and when a board's real one is taken."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hexdet.errors import ArtifactError
from hexdet.runtime import backend, htp, qnn
from hexdet.runtime.contract import load_contract
from hexdet.runtime.htp import DEFAULT_ARCH, HtpBackend, dsp_is_here
from hexdet.runtime.targets import SOC_MODEL_OF_ARCH, target_of_arch

MakeBundle = Callable[..., Path]


class Emulator:
    """Stands for the emulator's process and keeps what it was asked for."""

    asked: tuple[Any, ...] = ()

    def __init__(self, *asked: Any, expected: Any) -> None:
        type(self).asked = (*asked, expected)

    def close(self) -> None:
        pass


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> type[Emulator]:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(htp, "EmulatorProcess", Emulator)
    return Emulator


@pytest.mark.parametrize(
    ("exported_for", "asked", "expected"),
    [(None, None, DEFAULT_ARCH), (68, None, 68), (79, None, 79), (79, 68, 68), (None, 75, 75)],
)
def test_the_emulated_version_is_the_callers_else_the_bundles(
    make_bundle: MakeBundle,
    emulator: type[Emulator],
    exported_for: int | None,
    asked: int | None,
    expected: int,
) -> None:
    folder = make_bundle({"target_arch": exported_for})
    opened = HtpBackend(folder, load_contract(folder), arch=asked)
    assert emulator.asked[1].arch == expected
    assert opened.name == f"int8 on the emulated HTP (v{expected})"


@pytest.mark.parametrize("limit_s", [None, 7.5])
def test_the_time_limit_reaches_the_emulator(
    make_bundle: MakeBundle, emulator: type[Emulator], limit_s: float | None
) -> None:
    folder = make_bundle()
    given = {} if limit_s is None else {"time_limit_s": limit_s}
    HtpBackend(folder, load_contract(folder), **given)
    assert emulator.asked[3] == (limit_s or htp.TIME_LIMIT_S)


def test_the_float_graph_is_refused(make_bundle: MakeBundle) -> None:
    folder = make_bundle()
    with pytest.raises(ArtifactError, match="backend='cpu'"):
        HtpBackend(folder, load_contract(folder), "float")


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """Make this machine look like a board, whose QNN is onnxruntime's CPU; returns its options."""
    asked: list[dict[str, str]] = []

    def open_session(path: Path, options: dict[str, str]) -> Any:
        import onnxruntime

        asked.append(options)
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(htp, "open_session", open_session)
    fake = SimpleNamespace(get_qnn_htp_path=lambda: "libQnnHtp.so")
    monkeypatch.setitem(sys.modules, "onnxruntime_qnn", fake)
    return asked


def test_on_a_board_the_chip_is_asked_for_its_version(
    make_bundle: MakeBundle, board: list[dict[str, str]]
) -> None:
    """Bug: every board was told to be a v73, whatever it was."""
    folder = make_bundle({"target_arch": 79})
    contract = load_contract(folder)
    opened = HtpBackend(folder, contract)
    assert opened.name == "int8 on the HTP"
    assert not {"soc_model", "htp_arch"} & board[0].keys()
    pixels = np.random.default_rng(0).integers(0, 256, (1, 32, 48, 3)).astype(np.uint8)
    found = opened.run(pixels)
    expected = backend.CpuBackend(folder, contract, "int8").run(pixels)
    for name, codes in expected.items():
        np.testing.assert_array_equal(found[name], codes)
    opened.close()


def test_on_a_board_a_version_can_be_asked_for(
    make_bundle: MakeBundle, board: list[dict[str, str]]
) -> None:
    folder = make_bundle()
    assert HtpBackend(folder, load_contract(folder), arch=68).name == "int8 on the HTP (v68)"
    assert board[0]["htp_arch"] == "68"
    assert board[0]["soc_model"] == str(SOC_MODEL_OF_ARCH[68]) == str(target_of_arch(68).soc_model)


@pytest.mark.usefixtures("board")
def test_on_a_board_a_graph_that_does_not_fit_is_refused(make_bundle: MakeBundle) -> None:
    folder = make_bundle(boxes="boxes_32")
    with pytest.raises(ArtifactError, match="the graph has no output boxes_16"):
        HtpBackend(folder, load_contract(folder))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"node": "adsprpc-smd"}, True),
        ({"node": "fastrpc-cdsp-secure"}, True),
        ({"machine": "x86_64"}, False),
        ({"platform": "darwin"}, False),
        ({"node": None}, False),
        ({"node": "fastrpc-adsp"}, False),  # the audio DSP alone
        ({"installed": False}, False),
        ({"devices": []}, False),
        ({"devices": None}, False),  # its library cannot be loaded
    ],
    ids=str,
)
def test_the_real_dsp_is_taken_where_all_of_it_is_there(
    changes: dict[str, Any], expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = {
        "machine": "aarch64", "platform": "linux", "node": "fastrpc-cdsp", "installed": True,
        "devices": ["a device"], **changes,
    }  # fmt: skip

    def offered() -> list[str]:
        if board["devices"] is None:
            raise RuntimeError("libQnnHtp.so: cannot open shared object file")
        return list(board["devices"])

    monkeypatch.setattr(platform, "machine", lambda: board["machine"])
    monkeypatch.setattr(htp.sys, "platform", board["platform"])
    monkeypatch.setattr(
        htp.importlib.util, "find_spec", lambda name: object() if board["installed"] else None
    )
    monkeypatch.setattr(htp, "offered_devices", offered)
    (tmp_path / "null").touch()
    if board["node"]:
        (tmp_path / board["node"]).touch()
    assert dsp_is_here(tmp_path) is expected


def test_devices_can_be_asked_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bug: a second session in the same process registered the library again, which fails."""
    import onnxruntime

    registered: list[str] = []

    def register(name: str, path: str) -> None:
        assert name not in registered, "already registered"
        registered.append(name)

    def devices() -> list[Any]:
        names = ["CPUExecutionProvider", *registered]
        return [SimpleNamespace(ep_name=name) for name in names]

    monkeypatch.setattr(onnxruntime, "register_execution_provider_library", register)
    monkeypatch.setattr(onnxruntime, "get_ep_devices", devices)
    fake = SimpleNamespace(get_library_path=lambda: "libprovider.so")
    monkeypatch.setitem(sys.modules, "onnxruntime_qnn", fake)
    for _ in range(2):
        assert [d.ep_name for d in qnn.offered_devices()] == [qnn.PROVIDER]
