"""The layouts that are handed to Qualcomm's libraries, and what is refused before any call."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

import pytest

from hexdet.errors import ToolError
from hexdet.export.dlc_runner.qnn_api import (
    CORE_API,
    Config,
    DeviceSetting,
    GraphInfo,
    GraphSetting,
    Interface,
    QnnApi,
    Quantization,
    SystemInterface,
    Tensor,
    Version,
    check_version,
    null_terminated,
)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        (Interface, 640),  # passed by value: one pointer too few moves every later argument
        (Quantization, 40),
        (Tensor, 144),  # passed as arrays: the size is the stride
        (Config, 16),
        (DeviceSetting, 16),
        (GraphSetting, 64),
    ],
)
def test_sizes(kind: type[ctypes.Structure], size: int) -> None:
    assert ctypes.sizeof(kind) == size


@pytest.mark.parametrize(
    ("kind", "field", "offset"),
    [
        (Interface, "core", 16),
        (Interface, "functions", 40),
        (SystemInterface, "version", 16),
        (SystemInterface, "functions", 32),
        (Config, "custom", 8),
        (DeviceSetting, "value", 8),
        (GraphSetting, "kind", 8),
        (GraphSetting, "value", 12),
        (GraphInfo, "name", 8),
        (GraphInfo, "inputs", 24),
        (GraphInfo, "outputs", 40),
        (Quantization, "scale", 8),
        (Tensor, "id", 8),
        (Tensor, "name", 16),
        (Tensor, "dtype", 32),
        (Tensor, "quantization", 40),
        (Tensor, "rank", 80),
        (Tensor, "dimensions", 88),
        (Tensor, "memory", 96),
        (Tensor, "data", 104),
        (Tensor, "size", 112),
    ],
)
def test_offsets(kind: type[ctypes.Structure], field: str, offset: int) -> None:
    assert getattr(kind, field).offset == offset


@pytest.mark.parametrize(("major", "minor"), [(2, 39), (2, 41), (3, 40), (0, 0)])
def test_every_other_version_is_refused(major: int, minor: int) -> None:
    with pytest.raises(ToolError, match=rf"^not run: unknown QNN API {major}\.{minor}$"):
        check_version("QNN API", Version(major, minor, 0), CORE_API)


def test_the_known_version_passes_whatever_its_patch() -> None:
    check_version("QNN API", Version(*CORE_API, 7), CORE_API)


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"not run: .*libQnnHtp\.so"):
        QnnApi(tmp_path)


def test_a_library_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "libQnnHtp.so").write_bytes(b"no library")
    with pytest.raises(ToolError, match=r"not run: libQnnHtp\.so cannot be loaded"):
        QnnApi(tmp_path)


def test_configurations_keep_what_they_point_at() -> None:
    setting = DeviceSetting(option=0)
    setting.value.soc_model = 43
    configs = null_terminated(setting)
    del setting
    gc.collect()
    assert configs[0].contents.option == 0
    found = ctypes.cast(configs[0].contents.custom, ctypes.POINTER(DeviceSetting)).contents
    assert found.value.soc_model == 43
    assert not configs[1]
