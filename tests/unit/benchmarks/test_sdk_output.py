"""Parsers of Qualcomm's printouts, on the shapes that its documents and public logs show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hexdet.benchmarks.sdk_output.bench_results import read_bench
from hexdet.benchmarks.sdk_output.diagview import read_diagview
from hexdet.benchmarks.sdk_output.profile_viewer import read_profile
from hexdet.benchmarks.sdk_output.throughput import read_throughput
from hexdet.errors import ArtifactError, ToolError

OLD_DIAGVIEW = """Interpreting file serialized with Flatbuffer
CREATE NETWORK: 1
Time Scale: 1e-06
Software library version: 2.9.0.4462

Dnn Runtime Load/Deserialize/Create/De-Init Statistics:
--------------------------------------------------
Load: 1234 us
De-Init: 3210 us
Create Network(s): 60000 us
RPC Init Time: 0 NONE

Average SNPE Statistics:
------------------------------
Total Inference Time: 1500 us
Misc Accelerator Time: 3 us

Layer Times:
---------------
0: 1419 us : CPU
1: 162014 cycles : DSP
2: 0 : DSP
"""
NEW_DIAGVIEW = """SNPE Create Statistics:
Init: 95000 us
SNPE Execute Statistics (Averaged):
Total Inference Time: 1.5 ms
Num times yield occurred: 0
Per-Subnet Execution Times:
Subnet 0 (DSP) : 13545 cycles
Per-Layer Execution Times:
0: conv:OpId_18 (cycles) : 0 cycles : DSP
1: a name: b : 23 us : CPU
"""


@pytest.mark.parametrize("text", ["", "\n\n", "Failed to open log\n"])
def test_nothing_measured_is_an_error(text: str) -> None:
    for read in (read_diagview, read_throughput, read_profile):
        with pytest.raises(ToolError, match=text.strip() or "printed nothing"):
            read(text)


def test_diagview_of_both_eras() -> None:
    old = read_diagview(OLD_DIAGVIEW)
    assert old.library_version == "2.9.0.4462"
    assert old.start["Create Network(s)"].us == 60000
    assert old.start["RPC Init Time"].us == 0
    assert old.inference_us == 1500
    assert [(x.index, x.name, x.time.value, x.time.unit, x.runtime) for x in old.layers] == [
        (0, "", 1419, "us", "CPU"),
        (1, "", 162014, "cycles", "DSP"),
        (2, "", 0, "", "DSP"),
    ]
    assert old.layers[1].time.us is None  # cycles of no known clock
    new = read_diagview(NEW_DIAGVIEW)
    assert new.start["Init"].us == 95000 and new.inference_us == 1500
    assert new.subnets["Subnet 0 (DSP)"].value == 13545
    assert [(x.name, x.time.unit) for x in new.layers] == [
        ("conv:OpId_18", "cycles"),
        ("a name: b", "us"),
    ]


def test_basic_profiling_lacks_the_layers() -> None:
    found = read_diagview("Average SNPE Statistics:\nTotal Inference Time: 7 us\n")
    assert found.inference_us == 7 and found.layers == () and found.start == {}


def test_linting_logs_have_graphs() -> None:
    found = read_diagview("Per-Graph Execution Times:\nHTP Subnet 0: 4327266 cycles\n")
    assert found.graphs["HTP Subnet 0"].value == 4327266 and found.inference_us is None


LINE = (
    "[{} 0 - dsp_fixed8_tf] 1581.96 infs/sec - Number of images processed: 15803 - "
    "Build time: 657077 microseconds - Elapsed time: 9 microseconds - "
    "Real time: 8 microseconds - Teardown time: 7 microseconds - Batch : 1"
)


@pytest.mark.parametrize("word", ["Thread", "Instance"])
def test_throughput(word: str) -> None:
    found = read_throughput(f"noise\n{LINE.format(word)}\nTotal throughput: 1581.96 infs/sec\n")
    (one,) = found.instances
    assert (one.runtime, one.images, one.build_us, one.batch) == ("dsp_fixed8_tf", 15803, 657077, 1)
    assert (one.elapsed_us, one.real_us, one.teardown_us) == (9, 8, 7)
    assert found.total_per_s == 1581.96


def test_throughput_without_total_or_details() -> None:
    found = read_throughput("[Thread 0 - cpu] 2 infs/sec\n[Thread 1 - cpu] 3 infs/sec")
    assert found.total_per_s == 5 and found.instances[1].build_us is None


def test_throughput_that_failed_says_why() -> None:
    text = "x\nUnable to successfully create SNPE instance\nerror_code=1002; error_message=no\ny\n"
    with pytest.raises(ToolError, match="error_code=1002"):
        read_throughput(text)


def test_profile_viewer() -> None:
    text = """Input Log File Location: x.log
Finalize Stats:
---------------
Graph 0 (net (a)):
    NetRun: 5 ms
Execute Stats (Average):
------------------------
Total Inference Time:
---------------------
Graph 0 (net (a)):
    NetRun: 2952 us
    Backend (Number of HVX threads used): 4 count
    Backend (Accelerator (execute) time (cycles)): 77 cycles
    NetRun IPS: 214.8888 inf/sec
Execute Stats (Max):
    NetRun: 3000 us
"""
    found = read_profile(text)
    assert found.inference_us == 2952
    assert found.find("Execute Stats (Max)", "NetRun") is not None
    average = found.sections["Execute Stats (Average)"]
    assert [(f.graph, f.label, f.quantity.value, f.quantity.unit) for f in average[1:]] == [
        ("net (a)", "Backend (Number of HVX threads used)", 4, "count"),
        ("net (a)", "Backend (Accelerator (execute) time (cycles))", 77, "cycles"),
        ("net (a)", "NetRun IPS", 214.8888, "inf/sec"),
    ]
    assert found.find("Finalize Stats", "NetRun IPS") is None
    finalize = found.find("Finalize Stats", "NetRun")
    assert finalize is not None and finalize.us == 5000


def test_bench_csv_and_json_agree(tmp_path: Path) -> None:
    table = tmp_path / "b.csv"
    table.write_text(
        "SNPE SDK version:,2.10.0\nName,heads\n\n"
        ",DSP_timing,,,,CPU_ub_float_timing,,,\n"
        ",avg (us),max (us),min (us),runtime,avg (us),max (us),min (us),runtime\n"
        "Load,10,12,9,DSP,20,22,19,CPU\n"
        "Total Inference Time,11700,12000,11000,DSP,,,,\n"
        "layer_000 (Name:a Type:data),5,6,4,DSP,1,2,0,CPU\n"
    )
    row = {"Avg_Time": 11700, "Max_Time": 12000, "Min_Time": 11000, "Runtime": "DSP"}
    content = {
        "SNPE SDK version:": "2.10.0",
        "Runtimes": ["DSP", "CPU"],
        "Execution_Data": {"DSP_timing": {"Total Inference Time": row}},
    }
    record = tmp_path / "b.json"
    record.write_text(json.dumps(content))
    first, second = read_bench(table), read_bench(record)
    assert first.header == {"SNPE SDK version": "2.10.0", "Name": "heads"}
    assert second.header == {"SNPE SDK version": "2.10.0", "Runtimes": "DSP, CPU"}
    name = "Total Inference Time"
    assert first.combinations["DSP_timing"][name] == second.combinations["DSP_timing"][name]
    assert first.combinations["CPU_ub_float_timing"].keys() == {
        "Load",
        "layer_000 (Name:a Type:data)",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.csv", ""), ("a.json", "{}"), ("a.json", "[]"), ("a.json", "{"), ("a.csv", "a,b\n")],
)
def test_bench_without_results_is_refused(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ArtifactError):
        read_bench(path)
