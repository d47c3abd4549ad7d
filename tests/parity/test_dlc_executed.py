"""The deliverables executed: int8.dlc and context binaries against the emulator's session."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from hexdet.datasets.scenes import Scenes
from hexdet.errors import ArtifactError, ToolError
from hexdet.export.context_binary import ContextBackend, context_paths, write_context_binary
from hexdet.export.dlc_runner.backend import DlcBackend
from hexdet.runtime.backend import Backend
from hexdet.runtime.contract import DetectorContract, load_contract
from hexdet.runtime.htp import HtpBackend
from hexdet.runtime.images import to_pixels
from hexdet.runtime.targets import find_target

ARCHS = (68, 73)
IMAGES = 2
LIMIT_S = 180.0

Outputs = list[dict[str, npt.NDArray[np.uint8]]]


@pytest.fixture(scope="module")
def contract(heads: Path) -> DetectorContract:
    return load_contract(heads)


@pytest.fixture(scope="module")
def pictures(contract: DetectorContract) -> list[npt.NDArray[np.uint8]]:
    scenes = Scenes(split="test", count=200, seed=0)
    return [to_pixels(scenes[i].image, contract.input) for i in range(IMAGES)]


@pytest.fixture(scope="module")
def session(
    heads: Path, contract: DetectorContract, pictures: list[npt.NDArray[np.uint8]]
) -> dict[int, Outputs]:
    """Return what the emulator's session answers, by Hexagon version."""
    return {arch: _outputs(HtpBackend(heads, contract, arch=arch), pictures) for arch in ARCHS}


@pytest.fixture
def copied(heads: Path, tmp_path: Path) -> Path:
    """Return a bundle that a test may spoil."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    for name in ("detector.json", "int8.onnx", "int8.dlc"):
        shutil.copy(heads / name, folder)
    return folder


@pytest.mark.parametrize("arch", ARCHS)
def test_the_executed_dlc_equals_the_session_code_for_code(
    heads: Path,
    contract: DetectorContract,
    pictures: list[npt.NDArray[np.uint8]],
    session: dict[int, Outputs],
    arch: int,
) -> None:
    found = _outputs(DlcBackend(heads, contract, arch=arch), pictures)
    _assert_equal(found, session[arch])
    assert list(found[0]) == list(contract.output_shapes())
    assert len(np.unique(np.concatenate([v.ravel() for v in found[0].values()]))) > 20


def test_the_asked_version_is_the_one_emulated(session: dict[int, Outputs]) -> None:
    """v68 and v73 round in other ways: without this, equality would not show which one ran."""
    first, second = (session[arch][0] for arch in ARCHS)
    assert any((first[name] != second[name]).any() for name in first)


@pytest.mark.parametrize("chip", ["SM8550", "QCS6490"])
def test_a_context_binary_equals_the_session_code_for_code(
    copied: Path,
    contract: DetectorContract,
    pictures: list[npt.NDArray[np.uint8]],
    session: dict[int, Outputs],
    chip: str,
) -> None:
    target = find_target(chip)
    binary, wrapper = context_paths(copied, target)
    assert write_context_binary(copied / "int8.onnx", target, binary, wrapper, LIMIT_S) == wrapper
    assert sorted(p.name for p in copied.iterdir() if p.stem == chip) == [
        f"{chip}.bin",
        f"{chip}.onnx",
    ]
    (node,) = onnx.load(wrapper).graph.node
    (pointer,) = (a.s.decode() for a in node.attribute if a.name == "ep_cache_context")
    assert pointer == binary.name
    found = _outputs(ContextBackend(copied, contract, target), pictures)
    _assert_equal(found, session[target.arch])


def test_a_dlc_cut_short_is_called_damaged(copied: Path, contract: DetectorContract) -> None:
    dlc = copied / "int8.dlc"
    dlc.write_bytes(dlc.read_bytes()[:100_000])
    with pytest.raises(ToolError, match=r"int8\.dlc is damaged"):
        DlcBackend(copied, contract)


def test_a_float_dlc_is_refused(heads: Path, copied: Path, contract: DetectorContract) -> None:
    shutil.copy(heads / "float.dlc", copied / "int8.dlc")
    with pytest.raises(ToolError, match="not of 8-bit codes"):
        DlcBackend(copied, contract)


def test_what_is_missing_is_named(copied: Path, contract: DetectorContract) -> None:
    (copied / "int8.dlc").unlink()
    with pytest.raises(ArtifactError, match=r"int8\.dlc is missing.*hexdet dlc"):
        DlcBackend(copied, contract)
    with pytest.raises(ArtifactError, match=r"SM8550\.onnx is missing"):
        ContextBackend(copied, contract, find_target("SM8550"))


def test_the_time_limit_ends_the_process(copied: Path, contract: DetectorContract) -> None:
    with pytest.raises(ToolError, match=r"gave no answer in 0\.05 s"):
        DlcBackend(copied, contract, time_limit_s=0.05)


def test_a_graph_that_is_none_leaves_no_context_binary(copied: Path) -> None:
    target = find_target("SM8550")
    binary, wrapper = context_paths(copied, target)
    (copied / "int8.onnx").write_bytes(b"no graph")
    with pytest.raises(ToolError, match=r"compiling int8\.onnx for SM8550"):
        write_context_binary(copied / "int8.onnx", target, binary, wrapper, LIMIT_S)
    assert not binary.exists() and not wrapper.exists()


def _outputs(backend: Backend, pictures: list[npt.NDArray[np.uint8]]) -> Outputs:
    with backend:
        return [dict(backend.run(picture)) for picture in pictures]


def _assert_equal(found: Outputs, expected: Outputs) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name, codes in other.items():
            assert one[name].dtype == np.uint8
            np.testing.assert_array_equal(one[name], codes, err_msg=name)
