"""What the tools do with a tiny network: genuine DLCs, checked raws, documented texts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hexdet.export.dlc_file import PerAxisEncoding, PerTensorEncoding, read_dlc

Call = Callable[..., Any]
Sdk = Callable[[str], Path]


def test_the_legacy_converter_turns_images_and_maps(float_dlc: Path) -> None:
    dlc = read_dlc(float_dlc)
    shapes = {t.name: t.shape for t in (*dlc.model.inputs, *dlc.model.outputs)}
    assert shapes == {"image": (1, 16, 16, 3), "scores": (1, 16, 16, 4), "boxes": (1, 16, 16, 2)}
    assert dlc.converter_version.endswith("-stand-in")
    assert "snpe-onnx-to-dlc (stand-in)" in dlc.converter_command


def test_its_own_calibration_decides_the_ranges(int8_dlc: Path, tiny: Path) -> None:
    graph = read_dlc(int8_dlc).model
    image = np.concatenate([np.fromfile(tiny / f"nhwc{n}.raw", np.float32) for n in range(3)])
    encoding = graph.tensors["image"].encoding
    assert isinstance(encoding, PerTensorEncoding)
    # Facts 4.1, steps 1, 2 and 4: scale and zero from the extremes over all runs.
    scale = (float(image.max()) - float(image.min())) / 255
    assert encoding.scale == pytest.approx(scale, rel=1e-6)
    assert -encoding.offset == round(-float(image.min()) / scale)
    assert graph.tensors["image"].dtype == graph.tensors["scores"].dtype == "uFxp_8"
    assert isinstance(graph.tensors["w1"].encoding, PerAxisEncoding)


def test_a_quantized_dlc_is_not_quantized_again(
    call: Call, sdk: Sdk, int8_dlc: Path, tiny: Path
) -> None:
    words = [f"--input_dlc={int8_dlc}", f"--input_list={tiny / 'nhwc.txt'}"]
    result = call(sdk("2.25"), "snpe-dlc-quant", *words)
    assert result.code == 1 and "quantized already" in result.out


BAD_LISTS = [
    ("empty", "", "names no input"),
    ("another input", "img:={nhwc}\n", "no input img"),
    ("two inputs", "image:={nhwc} image:={nhwc}\n", "2 inputs given, the network has 1"),
    ("quotes", 'image:="{nhwc}"\n', "could not open"),
    ("outputs late", "{nhwc}\n%boxes\n", "first lines"),
    ("half a raw", "{half}\n", "1536 bytes"),
    ("no file", "{nhwc}.gone\n", "could not open"),
]


@pytest.mark.parametrize(("why", "text", "said"), BAD_LISTS)
@pytest.mark.parametrize("tool", ["snpe-dlc-quant", "snpe-net-run"])
def test_lists_and_raws_are_checked(
    why: str, text: str, said: str, tool: str, call: Call, sdk: Sdk, float_dlc: Path,
    tiny: Path, tmp_path: Path,
) -> None:  # fmt: skip
    half = tmp_path / "half.raw"
    half.write_bytes((tiny / "nhwc0.raw").read_bytes()[:1536])
    listed = tmp_path / "list.txt"
    listed.write_text(text.format(nhwc=tiny / "nhwc0.raw", half=half), encoding="utf-8")
    if tool == "snpe-net-run":
        words = ["--container", float_dlc, "--input_list", listed, f"--output_dir={tmp_path}"]
    else:
        words = [f"--input_dlc={float_dlc}", f"--input_list={listed}", f"--output_dlc={tmp_path}/q"]
    result = call(sdk("2.25"), tool, *words)
    assert result.code == 1 and said in result.out, result.out
    assert not (tmp_path / "q").exists()


def test_net_run_gives_real_numbers_and_a_log(
    call: Call, sdk: Sdk, int8_dlc: Path, float_dlc: Path, tiny: Path, tmp_path: Path
) -> None:
    found = {}
    listed = tmp_path / "list.txt"
    listed.write_text("%scores boxes\n" + (tiny / "nhwc.txt").read_text(), encoding="utf-8")
    for path in (float_dlc, int8_dlc):
        words = [
            "--container",
            path,
            "--input_list",
            listed,
            f"--output_dir={tmp_path / path.stem}",
        ]
        result = call(sdk("2.25"), "snpe-net-run", *words)
        assert result.code == 0, result.out
        assert "SNPE v2.25.0" in result.out and result.out.count("Processing DNN input(s):") == 3
        raw = np.fromfile(tmp_path / path.stem / "Result_2" / "scores.raw", np.float32)
        found[path.stem] = raw
    assert found["float"].size == 16 * 16 * 4
    difference = np.abs(found["float"] - found["int8"]).max()
    assert 0 < difference < 0.05 * np.ptp(found["float"])
    log = tmp_path / "int8" / "SNPEDiag_0.log"
    new = call(sdk("2.25"), "snpe-diagview", "--input_log", log)
    assert "SNPE Execute Statistics (Averaged):" in new.out and "0: r1 : " in new.out
    old = call(sdk("2.10"), "snpe-diagview", "--input_log", log)
    assert "Layer Times:" in old.out and "Average SNPE Statistics:" in old.out


def test_a_pc_has_no_dsp(call: Call, sdk: Sdk, int8_dlc: Path, tiny: Path) -> None:
    words = ["--container", int8_dlc, "--input_list", tiny / "nhwc.txt", "--use_dsp"]
    result = call(sdk("2.25"), "snpe-net-run", *words)
    assert result.code == 1 and result.out.splitlines()[-1].startswith("error_code=202; ")


def test_throughput(call: Call, sdk: Sdk, int8_dlc: Path) -> None:
    words = ["--container", int8_dlc, "--duration", "0.01", "--perf_profile", "burst"]
    for version, label in (("2.10", "[Thread 0 - cpu_float32]"), ("2.25", "[Instance 0 - ")):
        result = call(sdk(version), "snpe-throughput-net-run", *words, "--use_cpu")
        assert result.code == 0 and result.out.startswith(label)
        assert "Total throughput: " in result.out
    refused = call(sdk("2.25"), "snpe-throughput-net-run", *words, "--use_dsp")
    assert refused.code == 1 and "Could not create any.. Exiting." in refused.out


def test_dlc_info(call: Call, sdk: Sdk, int8_dlc: Path, tmp_path: Path) -> None:
    words = ["-i", int8_dlc, "-s", tmp_path / "info.csv"]
    new = call(sdk("2.25"), "snpe-dlc-info", *words)
    assert (
        "image (data type: uFxp_8; tensor dimension: [1,16,16,3]; tensor type: APP_WRITE)"
        in new.out
    )
    assert "r1 encoding : bitwidth 8, min 0.0" in new.out and "Ops used by DLC: Conv2d" in new.out
    assert (tmp_path / "info.csv").read_text().startswith("Id,Name,Type,Inputs,Outputs,Out Dims")
    old = call(sdk("1.68"), "snpe-dlc-info", "-i", int8_dlc)
    assert "| convolutional |" in old.out and "input_preprocessing: passthrough" in old.out
    assert "Layers used by DLC: CONVOLUTIONAL, DATA" in old.out
    assert "Info of graph:" in call(sdk("2.48"), "qairt-dlc-info", "-i", int8_dlc).out


def test_the_1x_flow(call: Call, sdk: Sdk, tiny: Path, tmp_path: Path) -> None:
    root, floating, quantized = sdk("1.68"), tmp_path / "f.dlc", tmp_path / "q.dlc"
    first = call(root, "snpe-onnx-to-dlc", "-i", tiny / "tiny.onnx", "-o", floating)
    assert first.code == 0 and f"INFO_DLC_SAVE_LOCATION: Saving model at {floating}" in first.err
    words = [f"--input_dlc={floating}", f"--input_list={tiny / 'nhwc.txt'}"]
    words += [f"--output_dlc={quantized}", "--enable_htp", "--htp_socs=sm8350"]
    second = call(root, "snpe-dlc-quantize", *words)
    assert second.code == 0, second.out
    assert "Setting activation for layer: " in second.out and "delta: " in second.out
    assert "Done creating QNN HTP graph cache for Vtcm size 4 MB." in second.out
    assert any(entry.name == "HTP_V68_SM8350_4MB" for entry in read_dlc(quantized).entries)
    weights = read_dlc(quantized).model.tensors["w1"]
    assert isinstance(weights.encoding, PerTensorEncoding) and weights.dtype == "uFxp_8"
    other = call(sdk("2.25"), "snpe-dlc-quant", *words[:2])
    assert other.code == 1 and "incompatible" in other.out


def test_the_qairt_flow_keeps_layouts_and_applies_overrides(
    call: Call, sdk: Sdk, tiny: Path, encodings: Path, tmp_path: Path
) -> None:
    root, floating, quantized = sdk("2.48"), tmp_path / "f.dlc", tmp_path / "q.dlc"
    words = ["-i", tiny / "tiny.onnx", "-o", floating, "-q", encodings, "--float_bitwidth", "32"]
    first = call(root, "qairt-converter", *words)
    assert first.code == 0 and "Processed 7 quantization encodings" in first.err, first.err
    assert read_dlc(floating).model.tensors["image"].shape == (1, 3, 16, 16)
    words = ["-i", floating, "-o", quantized, "-l", tiny / "nchw.txt"]
    second = call(root, "qairt-quantizer", *words, "--use_per_channel_quantization")
    assert second.code == 0 and f"Quantized Model saved at: {quantized}" in second.out
    tensors = read_dlc(quantized).model.tensors
    given = json.loads(encodings.read_text(encoding="utf-8"))
    for name, (entry,) in given["activation_encodings"].items():
        encoding = tensors[name].encoding
        assert isinstance(encoding, PerTensorEncoding)
        assert encoding.scale == np.float32((entry["max"] - entry["min"]) / 255), name
    encoding = tensors["w2"].encoding
    assert isinstance(encoding, PerAxisEncoding) and set(encoding.scales) == {np.float32(1 / 64)}


def test_wanted_layouts_and_float16_that_creeps_in_with_overrides(
    call: Call, sdk: Sdk, tiny: Path, encodings: Path, tmp_path: Path
) -> None:
    words = ["-i", tiny / "tiny.onnx", "-o", tmp_path / "f.dlc"]
    words += ["--quantization_overrides", encodings, "--desired_input_layout", "image", "NHWC"]
    words += ["--desired_output_layout", "boxes", "NHWC", "--source_model_input_layout"]
    assert call(sdk("2.48"), "qairt-converter", *words, "image", "NCHW").code == 0
    tensors = read_dlc(tmp_path / "f.dlc").model.tensors
    assert tensors["image"].shape == (1, 16, 16, 3) and tensors["boxes"].shape == (1, 16, 16, 2)
    assert tensors["image"].dtype == "Float_16"
    words[-4:] = ["--desired_output_layout", "bones", "NHWC"]
    result = call(sdk("2.48"), "qairt-converter", *words)
    assert result.code == 1 and "bones is not an output of the graph" in result.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"param_encodings": None}, "quantization_overrides"),
        ({"activation_encodings": [], "version": "1.0.0"}, "version 1.0.0"),
        ({"param_encodings": {"w1": [{"bitwidth": 8, "min": 0, "max": 1}] * 8}}, "symmmetric"),
    ],
)
def test_overrides_that_are_refused(
    change: dict[str, Any], said: str, call: Call, sdk: Sdk, tiny: Path, encodings: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    content = json.loads(encodings.read_text(encoding="utf-8")) | change
    path = tmp_path / "encodings.json"
    path.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))
    words = ["-i", tiny / "tiny.onnx", "-o", tmp_path / "f", "--quantization_overrides", path]
    result = call(sdk("2.25"), "snpe-onnx-to-dlc", *words)
    assert result.code == 1 and said in result.err and "Encountered Error" in result.err


def test_chips_that_the_release_does_not_know(
    call: Call, sdk: Sdk, int8_dlc: Path, tiny: Path, tmp_path: Path
) -> None:
    words = [f"--input_dlc={int8_dlc}", f"--output_dlc={tmp_path / 'c'}", "--htp_socs=sm8750"]
    result = call(sdk("2.25"), "snpe-dlc-graph-prepare", *words)
    assert result.code == 1 and "sm8750 is not supported" in result.out
    assert not list(tmp_path.iterdir())
    words = ["-i", tiny / "tiny.onnx", "-o", tmp_path / "f", "--target_backend", "HTP"]
    result = call(sdk("2.48"), "qairt-converter", *words, "--target_soc_model", "SM8250")
    assert result.code == 1 and "SOC model SM8250 is not supported." in result.err


def test_a_context_is_for_v68_unless_the_configuration_says(
    call: Call, sdk: Sdk, int8_dlc: Path, tmp_path: Path
) -> None:
    root, graph = sdk("2.48"), read_dlc(int8_dlc).model.name
    inner, outer = tmp_path / "inner.json", tmp_path / "outer.json"
    extension = {"shared_library_path": "libQnnHtpNetRunExtensions.so"}
    extension |= {"config_file_path": str(inner)}
    outer.write_text(json.dumps({"backend_extensions": extension}))
    words = ["--model", "libQnnModelDlc.so", "--backend", "libQnnHtp.so", "--dlc_path", int8_dlc]
    words += ["--output_dir", tmp_path]
    found = {}
    device = {"soc_model": 43, "dsp_arch": "v73"}
    for name, more in (("told", ["--config_file", outer]), ("untold", ["--soc_model", "43"])):
        inner.write_text(json.dumps({"graphs": [{"graph_names": [graph]}], "devices": [device]}))
        made = call(root, "qnn-context-binary-generator", *words, "--binary_file", name, *more)
        assert made.code == 0, made.out
        described = ["--context_binary", tmp_path / f"{name}.bin", "--json_file", tmp_path / "j"]
        assert call(root, "qnn-context-binary-utility", *described).code == 0
        info = json.loads((tmp_path / "j").read_text())["info"]
        found[name] = info["contextMetadata"]["info"]["dspArch"]
    assert found == {"told": 73, "untold": 68}
    for bad, said in (
        ({"graphs": [{"graph_names": ["another"]}]}, "valid 'graph_names'"),
        ({"devices": [device | {"cores": []}]}, "unknown key cores"),
    ):
        inner.write_text(json.dumps(bad))
        made = call(
            root, "qnn-context-binary-generator", *words, "--binary_file", "bad",
            "--config_file", outer,
        )  # fmt: skip
        assert made.code == 1 and said in made.out and not (tmp_path / "bad.bin").exists()


def test_bench(call: Call, sdk: Sdk, int8_dlc: Path, tmp_path: Path) -> None:
    config = {
        "Name": "tiny", "HostRootPath": str(tmp_path), "HostResultsDir": str(tmp_path / "results"),
        "DevicePath": "/data/local/tmp/b", "Devices": ["none"], "Runs": 2,
        "Model": {"Name": "tiny", "Dlc": str(int8_dlc), "InputList": "l", "Data": []},
        "Runtimes": ["CPU"], "Measurements": ["timing"],
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    assert call(sdk("2.25"), "snpe_bench.py", "-c", path, "-json").code == 0
    latest = tmp_path / "results" / "latest_results"
    content = json.loads((latest / "benchmark_stats_tiny.json").read_text())
    times = content["Execution_Data"]["CPU_timing"]["Total Inference Time"]
    assert times["Max_Time"] >= times["Avg_Time"] >= times["Min_Time"] > 0
    assert "CPU_timing" in (latest / "benchmark_stats_tiny.csv").read_text()
    path.write_text(json.dumps({k: v for k, v in config.items() if k != "Runs"}))
    refused = call(sdk("2.25"), "snpe_bench.py", "-c", path)
    assert refused.code == 1 and "missing field Runs" in refused.err


def test_qnn_net_run_and_its_profile(
    call: Call, sdk: Sdk, int8_dlc: Path, tiny: Path, tmp_path: Path
) -> None:
    words = ["--backend", "libQnnHtp.so", "--model", "libQnnModelDlc.so", "--dlc_path", int8_dlc]
    words += ["--input_list", tiny / "nhwc.txt", "--output_dir", tmp_path]
    assert call(sdk("2.25"), "qnn-net-run", *words).code == 0
    assert (tmp_path / "Result_0" / "boxes.raw").stat().st_size == 4 * 16 * 16 * 2
    log = tmp_path / "qnn-profiling-data_0.log"
    text = call(sdk("2.25"), "qnn-profile-viewer", "--input_log", log).out
    assert "Execute Stats (Average):" in text and "    NetRun IPS: " in text


def test_its_dlc_runs_on_the_emulator(int8_dlc: Path, tiny: Path) -> None:
    from hexdet.runtime.emulator import EmulatorProcess
    from hexdet.runtime.targets import find_target
    from sdk_standin.net_run import Network

    network = Network(int8_dlc)
    shapes = {name: tensor.shape for name, tensor in network.outputs.items()}
    image = np.fromfile(tiny / "nhwc0.raw", np.float32).reshape(1, 16, 16, 3)
    given, wanted = network.inputs["image"].encoding, network.run({"image": image})
    assert isinstance(given, PerTensorEncoding)
    codes = np.clip(np.round(image / given.scale) - given.offset, 0, 255).astype(np.uint8)
    worker = "hexdet.export.dlc_runner.worker"
    emulator = EmulatorProcess(int8_dlc, find_target("SM8550"), shapes, 120, worker)
    try:
        found = emulator.run(codes)
    finally:
        emulator.close()
    for name, tensor in network.outputs.items():
        encoding = tensor.encoding
        assert isinstance(encoding, PerTensorEncoding)
        real = (found[name].astype(np.float64) + encoding.offset) * encoding.scale
        assert np.abs(real - wanted[name]).max() < 1.5 * encoding.scale  # one code at most


def test_only_batch_one_is_quantized(call: Call, sdk: Sdk, tiny: Path, tmp_path: Path) -> None:
    words = ["-i", tiny / "tiny.onnx", "-o", tmp_path / "f.dlc", "--batch", "2"]
    assert call(sdk("2.25"), "snpe-onnx-to-dlc", *words).code == 0
    assert read_dlc(tmp_path / "f.dlc").model.tensors["scores"].shape == (2, 16, 16, 4)
    words = [f"--input_dlc={tmp_path / 'f.dlc'}", f"--input_list={tiny / 'nhwc.txt'}"]
    result = call(sdk("2.25"), "snpe-dlc-quant", *words)
    assert result.code == 1 and "the batch must be 1, the DLC has 2" in result.out


def test_mixed_widths_are_refused_by_name(
    call: Call, sdk: Sdk, tiny: Path, encodings: Path, tmp_path: Path
) -> None:
    content = json.loads(encodings.read_text(encoding="utf-8"))
    content["activation_encodings"]["r1"][0]["bitwidth"] = 16
    (tmp_path / "wide.json").write_text(json.dumps(content))
    words = ["-i", tiny / "tiny.onnx", "-o", tmp_path / "f.dlc"]
    words += ["--quantization_overrides", tmp_path / "wide.json"]
    assert call(sdk("2.25"), "snpe-onnx-to-dlc", *words).code == 0
    words = [f"--input_dlc={tmp_path / 'f.dlc'}", "--float_fallback", "--override_params"]
    result = call(sdk("2.25"), "snpe-dlc-quant", *words)
    assert result.code == 1 and "mixed widths" in result.out


def test_legacy_overrides_need_their_flag(
    call: Call, sdk: Sdk, tiny: Path, encodings: Path, tmp_path: Path
) -> None:
    root, floating, quantized = sdk("2.25"), tmp_path / "f.dlc", tmp_path / "q.dlc"
    words = ["-i", tiny / "tiny.onnx", "-o", floating, "--quantization_overrides", encodings]
    assert call(root, "snpe-onnx-to-dlc", *words).code == 0
    words = [f"--input_dlc={floating}", f"--output_dlc={quantized}"]
    calibrated = [f"--input_list={tiny / 'nhwc.txt'}"]
    scales = []
    for more in (calibrated, ["--float_fallback", "--override_params"]):
        assert call(root, "snpe-dlc-quant", *words, *more).code == 0
        encoding = read_dlc(quantized).model.tensors["scores"].encoding
        assert isinstance(encoding, PerTensorEncoding)
        scales.append(encoding.scale)
    assert scales[0] != scales[1] == np.float32(16 / 255)


def test_calls_tell_a_wrong_layout(call: Call, sdk: Sdk, float_dlc: Path, tmp_path: Path) -> None:
    image = np.zeros((1, 3, 16, 16), np.float32) + np.array([-1, 0, 1], np.float32)[:, None, None]
    seen = []
    for values in (image.transpose(0, 2, 3, 1), image):
        values.tofile(tmp_path / "a.raw")
        (tmp_path / "list.txt").write_text(f"{tmp_path / 'a.raw'}\n", encoding="utf-8")
        words = ["--container", float_dlc, "--input_list", tmp_path / "list.txt", "--debug"]
        result = call(sdk("2.25"), "snpe-net-run", *words, f"--output_dir={tmp_path / 'o'}")
        assert result.code == 0 and "no effect here: --debug" in result.err
        lines = (sdk("2.25") / "stand-in" / "calls.jsonl").read_text().splitlines()
        seen.append(json.loads(lines[-1])["raws"][0]["means_of_last_axis"])
    assert seen[0] == [-1, 0, 1] and seen[1] != seen[0]


def graph_of(operator: str, shape: list[int | str], path: Path) -> Path:
    import onnx
    from onnx import TensorProto, helper

    found = (TensorProto.INT64, [4, None]) if operator == "NonZero" else (TensorProto.FLOAT, shape)
    graph = helper.make_graph(
        [helper.make_node(operator, ["image"], ["y"], "the_node")],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", *found)],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


CONVERSIONS = [
    ("fine", "Relu", [1, 3, 8, 8], [], ""),
    ("operator", "NonZero", [1, 3, 8, 8], [], "onnx_nonzero. Op version: 17, node name: the_node"),
    ("dynamic", "Relu", ["n", 3, 8, 8], [], "dynamic shape"),
    ("made static", "Relu", ["n", 3, 8, 8], ["-d", "image", "1,3,8,8"], ""),
    ("no such input", "Relu", [1, 3, 8, 8], ["-d", "img", "1,3,8,8"], "img is not an input"),
    ("other rank", "Relu", [1, 3, 8, 8], ["-d", "image", "1,3,8"], "has 4 dimensions, not 3"),
    ("no such output", "Relu", [1, 3, 8, 8], ["--out_node", "z"], "Output z is not in the graph"),
    ("output by node", "Relu", [1, 3, 8, 8], ["--out_node", "the_node"], ""),
]


@pytest.mark.parametrize(("why", "operator", "shape", "more", "said"), CONVERSIONS)
def test_what_the_converter_takes(
    why: str, operator: str, shape: list[int | str], more: list[str], said: str,
    call: Call, sdk: Sdk, tmp_path: Path,
) -> None:  # fmt: skip
    path = graph_of(operator, shape, tmp_path / "g.onnx")
    words = ["-i", path, "-o", tmp_path / "f", *more, "--dry_run", "info"]
    result = call(sdk("2.25"), "snpe-onnx-to-dlc", *words)
    assert result.code == (1 if said else 0), result.err
    assert said in result.err and ("Traceback" in result.err) == bool(said)
    assert not (tmp_path / "f").exists()


def test_a_damaged_model_is_refused(call: Call, sdk: Sdk, tmp_path: Path) -> None:
    (tmp_path / "g.onnx").write_bytes(b"not onnx")
    result = call(sdk("2.25"), "qairt-converter", "-i", tmp_path / "g.onnx", "-o", tmp_path / "f")
    assert result.code == 1 and "Unable to load the ONNX model" in result.err


def test_the_quantizer_has_no_backend_for_the_old_dsp(
    call: Call, sdk: Sdk, float_dlc: Path, tiny: Path
) -> None:
    words = ["-i", float_dlc, "-l", tiny / "nhwc.txt", "--target_backend", "DSP"]
    result = call(sdk("2.48"), "qairt-quantizer", *words)
    assert result.code == 1 and "does not have backend aware config" in result.out
