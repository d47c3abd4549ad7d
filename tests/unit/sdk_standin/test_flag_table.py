"""The table of flags against the documents that it stands for, and command lines against it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from sdk_standin.flags import UsageError, flags_of, parse, rows, usage
from sdk_standin.versions import TOOLS, VERSIONS, tools_of

DOCUMENTED = Path(__file__).with_name("documented.csv")
"""Every flag that the compiled documents name, by section: y, n, or ? where they do not say."""


def documented() -> list[dict[str, str]]:
    with DOCUMENTED.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names_of(tool: str, version: str) -> set[str]:
    flags = flags_of(tool, VERSIONS[version])
    return {name for flag in flags for name in (flag.name, flag.alias) if name}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_documented_flag_is_there_and_no_other_release_s(version: str) -> None:
    rows_of = documented()
    assert len(rows_of) > 390
    for row in rows_of:
        if row[version] != "?":
            there = row["flag"] in names_of(row["tool"], version)
            assert there == (row[version] == "y"), row


def test_no_flag_is_invented() -> None:
    known = {(row["tool"], row["flag"]) for row in documented()}
    for tool in TOOLS:
        for version in VERSIONS:
            for name in names_of(tool.name, version):
                assert (tool.name, name) in known


def test_every_row_is_whole_and_has_its_source() -> None:
    for row in rows():
        assert row["source"].startswith("2."), row
        assert row["since"] in VERSIONS and row["until"] in VERSIONS, row
        assert set(row["tool"].split("|")) <= {tool.name for tool in TOOLS}, row
        takes_words = not row["takes"].endswith("0")
        assert takes_words == bool(row["values"]) == bool(row["style"]), row


@pytest.mark.parametrize("version", VERSIONS)
def test_the_help_names_every_flag_and_none_that_is_undocumented(version: str) -> None:
    for tool in tools_of(VERSIONS[version]):
        text = usage(tool.name, VERSIONS[version])
        assert "stand-in" in text
        for flag in flags_of(tool.name, VERSIONS[version]):
            assert (f" {flag.name}" in text) or "hidden" in flag.rules, flag


QUANT = ["--input_dlc={f}", "--input_list={f}"]

GOOD = [
    ("1.68", "snpe-onnx-to-dlc", ["-i", "{f}", "-d", "image", "1,3,300,300"]),
    ("2.10", "snpe-onnx-to-dlc", ["--input_network", "{f}", "--input_layout", "image", "NCHW"]),
    ("2.25", "snpe-onnx-to-dlc", ["-i", "{f}", "-e", "image", "rgb", "bgr", "--out_node", "y"]),
    ("2.25", "snpe-onnx-to-dlc", ["-i", "{f}", "--preserve_io", "--float_bitwidth", "16"]),
    ("1.68", "snpe-dlc-quantize", [*QUANT, "--enable_htp", "--htp_socs=sm8350"]),
    ("2.10", "snpe-dlc-quant", [*QUANT, "--bias_bitwidth=32"]),
    ("2.25", "snpe-dlc-quant", [*QUANT, "--restrict_quantization_steps=-0x80,0x7F"]),
    ("2.25", "snpe-dlc-quant", ["--input_dlc={f}", "--float_fallback", "--override_params"]),
    ("2.25", "qairt-converter", ["-i", "{f}", "-d", "image", "1,3,300,300"]),
    ("2.48", "qairt-converter", ["-i", "{f}", "-d", "image", "1,3,300,300"]),
    ("2.48", "qairt-converter", ["-i", "{f}", "-s", "image", "1,3,300,300", "-q", "{f}"]),
    ("2.48", "qairt-quantizer", ["-i", "{f}", "-l", "{f}", "--restrict_quantization_steps",
                                 "-0x80 0x7F"]),
    ("2.25", "qairt-quantizer", ["--input_dlc", "{f}", "--input_list", "{f}",
                                 "--percentile_calibration_value", "99.9"]),
    ("2.25", "snpe-dlc-graph-prepare", ["--input_dlc={f}", "--htp_archs=v68,v73"]),
    ("2.10", "snpe-net-run", ["--container", "{f}", "--input_list", "{f}", "--userbuffer_auto",
                              "--use_native_input_files"]),
    ("2.48", "snpe-throughput-net-run", ["--container", "{f}", "--duration", "15", "--use_dsp",
                                         "--perf_profile", "burst"]),
    ("2.25", "qnn-net-run", ["--backend", "libQnnHtp.so", "--input_list", "{f}", "--model",
                             "libQnnModelDlc.so", "--dlc_path", "{f}"]),
]  # fmt: skip

BAD = [
    ("no tool without its input", "2.25", "snpe-onnx-to-dlc", [], "required: --input_network"),
    ("missing file", "2.25", "snpe-onnx-to-dlc", ["-i", "nothing.onnx"], "no such file"),
    ("later flag", "2.10", "snpe-onnx-to-dlc", ["-i", "{f}", "--out_name", "y"], "unrecognized"),
    ("later flag", "1.68", "snpe-onnx-to-dlc", ["-i", "{f}", "-l", "x", "NCHW"], "unrecognized"),
    ("later value", "1.68", "snpe-onnx-to-dlc", ["-i", "{f}", "-e", "x", "nv12"], "choice"),
    ("one word of two", "2.25", "snpe-onnx-to-dlc", ["-i", "{f}", "-d", "image"], "expected 2"),
    ("shape", "2.25", "snpe-onnx-to-dlc", ["-i", "{f}", "-d", "x", "1x3"], "not dims"),
    ("abbreviation", "2.25", "snpe-onnx-to-dlc", ["--input_net", "{f}"], "unrecognized"),
    ("value apart", "2.25", "snpe-dlc-quant", ["--input_dlc", "{f}"], "is written"),
    ("wrapper's flag", "2.25", "snpe-dlc-quant", [*QUANT, "--enable_htp"], "unrecognized"),
    ("qairt's flag", "2.25", "snpe-dlc-quant",
     [*QUANT, "--act_quantizer_calibration=mse"], "unrecognized"),
    ("4 bits before", "2.10", "snpe-dlc-quant", [*QUANT, "--weights_bitwidth=4"], "choice"),
    ("exclusive", "2.25", "snpe-dlc-quant", [*QUANT, "--bitwidth=8", "--act_bitwidth=8"],
     "not allowed"),
    ("fallback and list", "2.25", "snpe-dlc-quant",
     [*QUANT, "--float_fallback", "--override_params"], "not allowed"),
    ("fallback alone", "2.25", "snpe-dlc-quant", ["--input_dlc={f}", "--float_fallback"],
     "needs argument --override_params"),
    ("space pair", "2.25", "snpe-dlc-quant",
     [*QUANT, "--restrict_quantization_steps=-0x80 0x7F"], "not comma-pair"),
    ("comma pair", "2.25", "qairt-quantizer",
     ["--input_dlc", "{f}", "--input_list", "{f}", "--restrict_quantization_steps",
      "-0x80,0x7F"], "expected 1 argument"),
    ("no list", "2.25", "qairt-quantizer", ["--input_dlc", "{f}"], "required: --input_list"),
    ("old spelling", "2.48", "qairt-quantizer",
     ["-i", "{f}", "-l", "{f}", "--algorithms", "cle"], "unrecognized"),
    ("old spelling", "2.48", "qairt-converter",
     ["-i", "{f}", "--onnx_no_simplification"], "unrecognized"),
    ("new spelling", "2.25", "qairt-converter", ["-i", "{f}", "-q", "{f}"], "unrecognized"),
    ("chip without backend", "2.48", "qairt-converter",
     ["-i", "{f}", "--target_soc_model", "SM8550"], "needs argument --target_backend"),
    ("percentile", "2.48", "qairt-quantizer",
     ["-i", "{f}", "-l", "{f}", "--percentile_calibration_value", "89"], "90..100"),
    ("chips and archs", "2.25", "snpe-dlc-graph-prepare",
     ["--input_dlc={f}", "--htp_archs=v68", "--htp_socs=sm8350"], "not allowed"),
    ("chips in capitals", "2.25", "snpe-dlc-graph-prepare",
     ["--input_dlc={f}", "--htp_socs=SM8350"], "not socs"),
    ("spaces between outputs", "2.25", "snpe-dlc-graph-prepare",
     ["--input_dlc={f}", "--set_output_tensors=a, b"], "not names"),
    ("cpu flag", "2.25", "snpe-net-run",
     ["--container", "{f}", "--input_list", "{f}", "--use_cpu"], "unrecognized"),
    ("order and flag", "2.25", "snpe-net-run",
     ["--container", "{f}", "--input_list", "{f}", "--use_dsp", "--runtime_order=dsp,cpu"],
     "not allowed"),
    ("native without buffer", "2.25", "snpe-net-run",
     ["--container", "{f}", "--input_list", "{f}", "--use_native_input_files"], "needs one of"),
    ("no runtime", "2.25", "snpe-throughput-net-run",
     ["--container", "{f}", "--duration", "1", "--perf_profile", "burst"], "one of"),
    ("two sources", "2.25", "qnn-net-run",
     ["--backend", "libQnnHtp.so", "--input_list", "{f}", "--model", "libX.so",
      "--retrieve_context", "{f}"], "not allowed"),
    ("twice", "2.25", "snpe-dlc-quant", [*QUANT, "--act_bitwidth=8", "--act_bitwidth=8"], "twice"),
    ("value of a switch", "2.25", "snpe-dlc-quant", [*QUANT, "--override_params=1"], "no value"),
]  # fmt: skip


def filled(words: list[str], folder: Path) -> list[str]:
    file = folder / "file"
    file.touch()
    return [word.format(f=file) for word in words]


@pytest.mark.parametrize(("version", "tool", "words"), GOOD)
def test_documented_commands_are_taken(
    version: str, tool: str, words: list[str], tmp_path: Path
) -> None:
    parse(tool, VERSIONS[version], filled(words, tmp_path))


@pytest.mark.parametrize(("why", "version", "tool", "words", "said"), BAD)
def test_other_commands_are_refused(
    why: str, version: str, tool: str, words: list[str], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        parse(tool, VERSIONS[version], filled(words, tmp_path))
