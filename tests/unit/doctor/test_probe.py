"""The probe: the shipped graph is the one built here, and emulator and DLC writer take it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from hexdet.doctor.finding import Finding
from hexdet.doctor.qualcomm import PROBE, dlc_writing, emulator

SIDE, CHANNELS = 32, 8


def probe_graph() -> onnx.ModelProto:
    """Return the probe: uint8 [1, 32, 32, 3] -> 3x3 convolution, ReLU6 -> uint8 [1, 32, 32, 8]."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-127, 128, (CHANNELS, 3, 3, 3), np.int8)
    biases = rng.integers(0, 2000, CHANNELS, np.int32)
    constants = {
        "weights": weights, "biases": biases,
        "zero_s8": np.int8(0), "zero_s32": np.int32(0), "zero": np.uint8(0),
        "middle": np.uint8(127),
        "pixel_scale": np.float32(1 / 128), "weight_scale": np.float32(1 / 256),
        "bias_scale": np.float32(1 / 128 / 256), "scale": np.float32(6 / 255),
        "low": np.float32(0), "high": np.float32(6),
    }  # fmt: skip
    steps = (
        ("Transpose", ("image",), "image_nchw", {"perm": (0, 3, 1, 2)}),
        ("DequantizeLinear", ("image_nchw", "pixel_scale", "middle"), "pixels", {}),
        ("DequantizeLinear", ("weights", "weight_scale", "zero_s8"), "weights_real", {}),
        ("DequantizeLinear", ("biases", "bias_scale", "zero_s32"), "biases_real", {}),
        ("Conv", ("pixels", "weights_real", "biases_real"), "sum", {"pads": (1, 1, 1, 1)}),
        ("Clip", ("sum", "low", "high"), "clipped", {}),
        ("QuantizeLinear", ("clipped", "scale", "zero"), "codes_nchw", {}),
        ("Transpose", ("codes_nchw",), "codes", {"perm": (0, 2, 3, 1)}),
    )
    graph = helper.make_graph(
        [helper.make_node(op, list(i), [o], name=o, **a) for op, i, o, a in steps],
        "probe",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, (1, SIDE, SIDE, 3))],
        [helper.make_tensor_value_info("codes", TensorProto.UINT8, (1, SIDE, SIDE, CHANNELS))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def test_the_shipped_probe_is_the_one_built_here() -> None:
    assert onnx.load(PROBE) == probe_graph()


def test_the_emulator_really_runs_it() -> None:
    finding = emulator()
    assert finding.status == "ok"
    assert "emulated: ran" in finding.found


def test_the_probe_has_outputs_that_tell_right_from_wrong() -> None:
    """A graph that gives one code everywhere would agree with anything."""
    session = onnxruntime.InferenceSession(str(PROBE), providers=["CPUExecutionProvider"])
    pixels = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), np.uint8)
    assert len(np.unique(session.run(None, {"image": pixels})[0])) > 100


def test_a_dlc_is_really_written() -> None:
    finding = dlc_writing()
    assert finding.status == "ok"
    assert "(Conv2d)" in finding.found


@pytest.mark.parametrize(
    ("body", "limit_s", "said"),
    [
        ("import os; os.abort()", 30.0, "SIGABRT"),
        ("import time; time.sleep(60)", 0.5, "no answer in 0.5 s"),
        ("raise OSError('libQnnHtp.so: cannot open')", 30.0, "libQnnHtp.so: cannot open"),
        ("", 30.0, "result.json"),
        (
            "import json, sys; open(sys.argv[2], 'w').write("
            "json.dumps({'place': 'here', 'seconds': 1, 'codes_apart': 200}))",
            30.0,
            "200 of 255 codes",
        ),
    ],
)
def test_whatever_befalls_the_emulator_is_a_finding(
    body: str, limit_s: float, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad_probe.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = emulator(limit_s=limit_s, worker="bad_probe")
    assert finding.status == "broken"
    assert said in finding.found
    assert "onnxruntime-qnn" in finding.advice
    assert finding.jobs == ("export",)


def test_a_dlc_that_is_not_written_in_time_is_a_finding() -> None:
    finding = dlc_writing(limit_s=0.01)
    assert (finding.status, finding.jobs) == ("broken", ("export",))


@pytest.mark.parametrize("check", [emulator, dlc_writing])
def test_without_the_wheel_it_says_what_to_install(
    check: Callable[[], Finding], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime_qnn", None)
    finding = check()
    assert finding.status == "missing"
    assert "onnxruntime_qnn" in finding.found
    assert "hexdet[toolchain]" in finding.advice
