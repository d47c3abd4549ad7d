"""`hexdet bench adb` over the real adb client and server, against stand-in devices."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from adb.cases import is_whole
from adb.device_sdk import make_device_sdk
from adb.rig import MakeDevice, Place, StandIn, usual

from hexdet.benchmarks.adb.campaign import FILE_NAME
from hexdet.benchmarks.adb.client import Adb, Connection, quote
from hexdet.benchmarks.results import read
from hexdet.errors import DeviceError
from hexdet.export.bundle import Bundle
from hexdet.export.context_binary import context_paths, write_context_binary
from hexdet.export.device_outputs import device_rungs
from hexdet.export.ladder import first_failure
from hexdet.export.parity import climb_bundle
from hexdet.export.stages import STAGES
from hexdet.runtime.contract import load_contract
from hexdet.runtime.targets import find_target

Run = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--samples", "2", "--inferences", "2", "--images", "2", "--throughput", "1")


def events(place: Place, name: str = "STANDIN0") -> list[dict[str, object]]:
    found = []
    for line in (place.bundle / "adb" / name / FILE_NAME).read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:  # torn
            continue
    return found


def test_a_bundle_is_measured_and_marked(
    place: Place, make_device: MakeDevice, hexdet_cli: Run, tmp_path: Path
) -> None:
    device = make_device(chip="SM8650")
    memory = tmp_path / "results.jsonl"
    arguments = ("bench", "adb", place.bundle, "--sdk", place.sdk, "--results", memory, *QUICK)
    done = hexdet_cli(
        *arguments, "--device", device.serial, "--runtime", "dsp", "--runtime", "cpu", "--clean"
    )
    assert "STAND-IN, no device's times" in done.stdout
    assert "at most 0 codes apart" in done.stdout
    assert " ok" in done.stdout and "SM8650" in done.stdout
    assert device.files == []
    found = read(memory)
    assert {result.metric for result in found} >= {
        "stand_in_dsp_burst_inference_p50", "stand_in_cpu_burst_init_p50",
        "stand_in_dsp_burst_throughput", "stand_in_dsp_burst_peak_memory",
        "stand_in_codes_from_emulator",
    }  # fmt: skip
    assert not [result for result in found if "device" in result.metric]
    assert all("STAND-IN" in result.machine and result.target == "SM8650" for result in found)


def test_json_tells_the_same(place: Place, device: StandIn, hexdet_cli: Run) -> None:
    done = hexdet_cli(
        "bench", "adb", place.bundle, "--json", "--results", place.bundle / "r.jsonl", *QUICK,
        env={"SNPE_ROOT": str(place.sdk)},
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["stand_in"] is True
    (row,) = told["rows"]
    assert row["status"] == "ok" and row["runs"] == 2 and row["p50_ms"] > 0
    assert row["sensor"] == "skin" and row["temperature_c"] == [31.0, 31.0]
    (one,) = told["devices"]
    assert one["device"]["chip"] == "SM8550" and one["rungs"][1]["status"] == "passed"
    assert {output["max_codes"] for output in one["rungs"][1]["outputs"]} == {0.0}


def test_only_what_differs_is_copied(place: Place, device: StandIn) -> None:
    first = place.run([device], usual()).outcomes[0].shipped
    assert (first.kept, first.pushed) == (0, 9)
    again = place.run([device], usual()).outcomes[0].shipped
    assert (again.kept, again.pushed) == (7, 2)  # the pictures were cleaned up
    folder = device.root / "data/local/tmp/it's a folder"
    (folder / "lib/libSNPE.so").write_text("tampered with", encoding="utf-8")
    (folder / "model/int8.dlc").unlink()
    mended = place.run([device], usual()).outcomes[0].shipped
    assert (mended.kept, mended.pushed) == (5, 4)


def test_a_finished_campaign_is_followed_by_another(place: Place, device: StandIn) -> None:
    for begun in (1, 2):
        told = place.run([device], usual())
        assert is_whole(told) and not told.outcomes[0].campaign.resumed  # type: ignore[union-attr]
        assert [event["event"] for event in events(place)].count("finished") == begun


def test_an_interrupted_campaign_goes_on(place: Place, device: StandIn) -> None:
    """Ctrl-C in the midst of it: what was measured is measured no second time."""
    words = ["--sdk", str(place.sdk), "--results", str(place.bundle / "r.jsonl"), "--samples", "8",
             "--inferences", "2", "--images", "2", "--throughput", "0"]  # fmt: skip
    command = [str(Path(sys.executable).with_name("hexdet")), "bench", "adb", str(place.bundle)]
    process = subprocess.Popen(
        [*command, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    campaign = place.bundle / "adb" / "STANDIN0" / FILE_NAME
    end = time.monotonic() + 150
    while not (campaign.is_file() and campaign.read_text().count('"sample"') > 2):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=150)
    assert process.returncode == 130, said
    before = [event for event in events(place) if event["event"] == "sample"]
    assert 3 <= len(before) < 9
    with campaign.open("ab") as file:
        file.write(b'{"event": "sample", "torn')
    done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} runs are there" in done.stderr
    after = [event for event in events(place) if event["event"] == "sample"]
    assert after[: len(before)] == before
    steps = [json.dumps(event["step"]) for event in after]
    assert len(steps) == len(set(steps)) == 9


def test_two_devices_of_which_one_dies(place: Place, make_device: MakeDevice) -> None:
    well, ill = make_device("WELL"), make_device("ILL", chip="SM8650")
    ill.arm("dies-in-run")
    told = place.run([well, ill], usual(reconnect_s=1.0, throughput_s=0))
    first, second = told.outcomes
    assert not first.problems and first.outputs
    assert "did not come back" in second.problems[0] and not second.outputs
    assert [row.status for row in told.rows] == ["ok", "not run"]
    assert [row.chip for row in told.rows] == ["SM8550", "SM8650"]


def test_the_ladder_has_the_devices_rung(
    place: Place, make_device: MakeDevice, hexdet_cli: Run
) -> None:
    bundle = Bundle(place.bundle, STAGES)
    assert is_whole(place.run([make_device()], usual(throughput_s=0)))
    rungs = climb_bundle(bundle, bundle.recipe(), [], limit=2)
    rung = rungs[-1]
    assert rung.status == "passed" and rung.compared_with == "int8_htp"
    assert rung.title == "STAND-IN of a device, SM8550 STANDIN0"
    assert {output.max_codes for output in rung.outputs} == {0.0}
    assert first_failure(rungs) is None
    # Outputs of other codes fail; a model made anew was not run on the device.
    for path in (place.bundle / "adb/STANDIN0/outputs").glob("*.npz"):
        _shift(path)
    assert climb_bundle(bundle, bundle.recipe(), [], limit=2)[-1].status == "failed"
    (place.bundle / "int8.dlc").write_bytes(b"other")
    (spec,) = device_rungs(place.bundle, load_contract(place.bundle), bundle.recipe())
    assert spec.open is not None
    with pytest.raises(Exception, match=r"ran another int8\.dlc"):
        spec.open()


def _shift(path: Path) -> None:
    with np.load(path) as found:
        arrays = {name: found[name] for name in found.files}
    np.savez(path, **{name: values ^ 0x80 for name, values in arrays.items()})


@pytest.mark.parametrize(
    ("version", "chip", "changes"),
    [
        ("1.68", "SM8250", {}),
        ("2.48", "SM8750", {}),
        ("2.25", "SM8550", {"family": "qnn", "runtimes": ("dsp", "gpu")}),
        ("2.25", "SM8550", {"family": "qnn", "context": True}),
    ],
)
def test_other_releases_chips_and_programs(
    place: Place,
    make_device: MakeDevice,
    tmp_path: Path,
    version: str,
    chip: str,
    changes: dict[str, Any],
) -> None:
    if version != "2.25":
        place.sdk = make_device_sdk(tmp_path / "an SDK", version)
    if "context" in changes:
        target = find_target(chip)
        binary, wrapper = context_paths(place.bundle, target)
        write_context_binary(place.bundle / "int8.onnx", target, binary, wrapper, 120)
    told = place.run([make_device(chip=chip)], usual(samples=1, **changes))
    assert is_whole(told), told.words


def test_an_sdk_older_than_the_chip_is_told(
    place: Place, make_device: MakeDevice, tmp_path: Path
) -> None:
    place.sdk = make_device_sdk(tmp_path / "an SDK", "2.10")
    told = place.run([make_device(chip="SM8750")], usual())
    assert "which SM8750 (v79) needs: take an SDK that knows this chip" in told.words
    told = place.run([make_device("OTHER")], usual(context=True))
    assert "hexdet dlc" in told.words and "--target SM8550" in told.words


@pytest.mark.parametrize(
    "text", ["", "a b", "it's", 'say "hi"', "$HOME `id` $(id)", "a;b|c&d>e", "*?[x]", "-n", "é\t"]
)
def test_words_and_paths_reach_the_device_as_they_are(
    place: Place, device: StandIn, text: str, tmp_path: Path
) -> None:
    connection = Connection(Adb(place.server.program), device.serial)
    done = connection.shell(f"printf %s {quote(text)}; exit 5")
    assert done.code == 5 and done.out == text
    name = text.replace("/", "_") or "plain"
    folder = f"/data/local/tmp/{name}"
    assert connection.shell(f"mkdir -p {quote(folder)}").code == 0
    source = tmp_path / name
    source.write_bytes(b"content")
    connection.push([source], folder, 20)
    (tmp_path / "back").mkdir()
    connection.pull(f"{folder}/{name}", tmp_path / "back", 20)
    assert (tmp_path / "back" / name).read_bytes() == b"content"


def test_devices_that_cannot_be_used_are_told(
    place: Place, make_device: MakeDevice, hexdet_cli: Run
) -> None:
    arguments = ("bench", "adb", place.bundle, "--sdk", place.sdk)
    done = hexdet_cli(*arguments, code=1)
    assert "adb sees no device" in done.stderr and "USB debugging" in done.stderr
    device = make_device(connect=False)
    device.arm("unauthorized")
    done = hexdet_cli(*arguments, "--device", device.serial, code=1)
    assert "allow USB debugging for this PC on its screen" in done.stderr
    device.faults.clear()
    place.server.call("disconnect", device.serial)
    assert Adb(place.server.program).choose([device.serial]) == ([device.serial], [])
    with pytest.raises(DeviceError, match="nowhere is not seen"):
        Adb(place.server.program).choose(["nowhere"])


def test_what_is_missing_is_told(
    place: Place, make_device: MakeDevice, hexdet_cli: Run, tmp_path: Path
) -> None:
    make_device(chip="SM9999")
    done = hexdet_cli("bench", "adb", place.bundle, "--sdk", place.sdk, code=1)
    assert "the chip SM9999" in done.stderr and "--target" in done.stderr
    done = hexdet_cli("bench", "adb", place.bundle, code=1)
    assert "no Qualcomm SDK" in done.stderr and "onnxruntime-qnn wheel" in done.stderr
    done = hexdet_cli("bench", "adb", place.bundle, "--profile", "turbo", code=2)
    assert "turbo is not known" in done.stderr


@pytest.mark.adb
def test_a_phone_is_measured(place: Place, hexdet_cli: Run) -> None:
    """The real thing, where HEXDET_PHONE names its serial and QAIRT_SDK_ROOT an SDK."""
    done = hexdet_cli("bench", "adb", place.bundle, "--device", os.environ["HEXDET_PHONE"], *QUICK)
    assert "STAND-IN" not in done.stdout


def test_a_reboot_is_waited_for(place: Place, device: StandIn) -> None:
    def reboot() -> None:
        time.sleep(0.5)
        place.server.call("-s", device.serial, "reboot")

    thread = threading.Thread(target=reboot)
    thread.start()
    told = place.run([device], usual(samples=4, throughput_s=0))
    thread.join()
    assert is_whole(told), told.words
